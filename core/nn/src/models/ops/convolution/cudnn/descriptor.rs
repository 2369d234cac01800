//! Descriptors of cuDNN's graph API: attributes are set, they are finished, and can be read.

use std::ffi::CStr;
use std::ptr::null_mut;

use cudarc::cudnn::sys;
use cudarc::cudnn::sys::cudnnBackendAttributeName_t as Name;
use cudarc::cudnn::sys::cudnnBackendAttributeType_t as Type;
use cudarc::cudnn::sys::cudnnBackendDescriptorType_t as DescriptorKind;

/// What a call came to.
pub(super) fn checked(what: &str, status: sys::cudnnStatus_t) -> Result<(), String> {
    if status == sys::cudnnStatus_t::CUDNN_STATUS_SUCCESS {
        return Ok(());
    }
    let mut words = [0; 512];
    // SAFETY: it writes at most so many characters, and ends them.
    unsafe { sys::cudnnGetLastErrorString(words.as_mut_ptr(), words.len()) };
    words[words.len() - 1] = 0;
    // SAFETY: the characters end within the array.
    let words = unsafe { CStr::from_ptr(words.as_ptr()) }.to_string_lossy();
    Err(format!("{what}: {status:?} {words}").trim_end().to_owned())
}

/// A value that cuDNN takes for an attribute.
pub(super) trait Value {
    /// What cuDNN calls its type.
    const TYPE: Type;
}

macro_rules! values {
    ($($value:ty => $name:ident),* $(,)?) => {
        $(impl Value for $value {
            const TYPE: Type = Type::$name;
        })*
    };
}

values! {
    i64 => CUDNN_TYPE_INT64,
    f32 => CUDNN_TYPE_FLOAT,
    u8 => CUDNN_TYPE_CHAR,
    *mut std::ffi::c_void => CUDNN_TYPE_VOID_PTR,
    sys::cudnnHandle_t => CUDNN_TYPE_HANDLE,
    sys::cudnnDataType_t => CUDNN_TYPE_DATA_TYPE,
    sys::cudnnConvolutionMode_t => CUDNN_TYPE_CONVOLUTION_MODE,
    sys::cudnnBackendHeurMode_t => CUDNN_TYPE_HEUR_MODE,
}

/// A descriptor, gone when it is dropped. What it refers to is cuDNN's to keep.
#[derive(Debug)]
pub(super) struct Descriptor(sys::cudnnBackendDescriptor_t);

// SAFETY: cuDNN ties descriptors to no thread. What changes one takes it by value or by a unique reference, so that
// several threads at most read a finished one.
unsafe impl Send for Descriptor {}
// SAFETY: as above.
unsafe impl Sync for Descriptor {}

impl Descriptor {
    /// An empty one.
    pub fn new(kind: DescriptorKind) -> Result<Self, String> {
        let mut raw = null_mut();
        // SAFETY: it writes a descriptor where it is told to.
        checked("a descriptor", unsafe { sys::cudnnBackendCreateDescriptor(kind, &raw mut raw) })?;
        Ok(Self(raw))
    }

    /// With an attribute of one or several values.
    pub fn with<T: Value>(mut self, name: Name, values: &[T]) -> Result<Self, String> {
        self.set(name, T::TYPE, values)?;
        Ok(self)
    }

    /// With an attribute that refers to finished descriptors.
    pub fn with_all(mut self, name: Name, others: &[&Self]) -> Result<Self, String> {
        let raw: Vec<sys::cudnnBackendDescriptor_t> = others.iter().map(|other| other.0).collect();
        self.set(name, Type::CUDNN_TYPE_BACKEND_DESCRIPTOR, &raw)?;
        Ok(self)
    }

    fn set<T>(&mut self, name: Name, kind: Type, values: &[T]) -> Result<(), String> {
        let (count, values) = (values.len() as i64, values.as_ptr().cast());
        // SAFETY: as many values of the type are there, and they are copied.
        let status = unsafe { sys::cudnnBackendSetAttribute(self.0, name, kind, count, values) };
        checked(&format!("{name:?}"), status)
    }

    /// As it is from now on.
    pub fn finished(self) -> Result<Self, String> {
        // SAFETY: the descriptor is alive.
        checked("finishing a descriptor", unsafe { sys::cudnnBackendFinalize(self.0) })?;
        Ok(self)
    }

    /// Number `name`.
    pub fn number(&self, name: Name) -> Result<i64, String> {
        let mut found = [0i64];
        self.get(name, Type::CUDNN_TYPE_INT64, &mut found)?;
        Ok(found[0])
    }

    /// The codes of numerical notes, which later versions know more of.
    pub fn notes(&self, name: Name) -> Result<Vec<u32>, String> {
        let mut found = [0u32; 32];
        let count = self.get(name, Type::CUDNN_TYPE_NUMERICAL_NOTE, &mut found)?;
        Ok(found[..count].to_vec())
    }

    /// How many descriptors an attribute refers to.
    pub fn count(&self, name: Name) -> Result<usize, String> {
        self.get::<sys::cudnnBackendDescriptor_t>(name, Type::CUDNN_TYPE_BACKEND_DESCRIPTOR, &mut [])
    }

    /// Writes the descriptors that an attribute refers to over `into`, empty ones of the same kind; how many there were.
    pub fn copy_into(&self, name: Name, into: &mut [Self]) -> Result<usize, String> {
        let mut raw: Vec<sys::cudnnBackendDescriptor_t> = into.iter().map(|other| other.0).collect();
        self.get(name, Type::CUDNN_TYPE_BACKEND_DESCRIPTOR, &mut raw)
    }

    fn get<T>(&self, name: Name, kind: Type, found: &mut [T]) -> Result<usize, String> {
        let (room, mut count) = (found.len() as i64, 0);
        let into = if found.is_empty() { null_mut() } else { found.as_mut_ptr().cast() };
        // SAFETY: there is room for so many values of the type.
        let status = unsafe { sys::cudnnBackendGetAttribute(self.0, name, kind, room, &raw mut count, into) };
        checked(&format!("{name:?}"), status)?;
        let count = usize::try_from(count).unwrap_or(0);
        Ok(if found.is_empty() { count } else { count.min(found.len()) })
    }

    /// For a call that takes a finished descriptor.
    pub fn raw(&self) -> sys::cudnnBackendDescriptor_t {
        self.0
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: nothing else destroys it. There is no one to tell if cuDNN could not.
        unsafe { sys::cudnnBackendDestroyDescriptor(self.0) };
    }
}

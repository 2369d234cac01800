//! Which classes the labels of a store refer to, and which of a model's outputs these are.

use super::manifest_types::LabelSpace;
use crate::classes::ClassSpace;
use crate::images::ImageList;
use ferkd_method::error::{Error, Result};

/// The label space of a store that is made with a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelClasses {
    /// All of the model's classes, or those of the image folder only.
    pub space: LabelSpace,
    /// The classes, in index order.
    pub classes: ClassSpace,
    /// The model's output of each class.
    pub outputs: Vec<u32>,
    /// The class of each class folder of the images.
    pub folders: Vec<u32>,
}

impl LabelClasses {
    /// Which of the model's classes `all` labels of `images` refer to. What is not asked for is decided by the images:
    /// all classes where each has a class folder or none has, else those of the folders. `owner` is what errors call
    /// the model.
    ///
    /// # Errors
    /// A class folder that is none of the model's classes, two that are the same one, or `folder` without class
    /// folders.
    pub fn of(images: &ImageList, all: &ClassSpace, owner: &str, asked: Option<LabelSpace>) -> Result<Self> {
        let everything = |folders| Self {
            space: LabelSpace::Teacher,
            classes: all.clone(),
            outputs: (0..all.len() as u32).collect(),
            folders,
        };
        if images.folders().is_empty() {
            if asked == Some(LabelSpace::Folder) {
                return Err(Error::mismatch(
                    images.root(),
                    "it has no class folders to take the classes from",
                )
                .remedy("use --classes teacher"));
            }
            return Ok(everything(Vec::new()));
        }
        let folders = all.map_folders(images.folders(), owner)?;
        let part = folders.len() < all.len();
        match asked.unwrap_or(if part { LabelSpace::Folder } else { LabelSpace::Teacher }) {
            LabelSpace::Teacher => Ok(everything(folders)),
            LabelSpace::Folder => {
                let mut outputs = folders.clone();
                outputs.sort_unstable();
                outputs.dedup();
                if outputs.len() < folders.len() {
                    return Err(Error::mismatch(
                        images.root(),
                        "two of its class folders are the same class",
                    )
                    .remedy("merge them"));
                }
                if outputs.len() == 1 {
                    let problem = format!(
                        "its images have one class alone, `{}`: every label would be that class with probability 1",
                        images.folders().concat()
                    );
                    return Err(Error::mismatch(images.root(), problem)
                        .remedy("use --classes teacher, for labels over all of the teacher's classes"));
                }
                // Each folder's class is one of the outputs, which ascend: its place is the number of those below it.
                let place = |class: &u32| outputs.partition_point(|output| output < class) as u32;
                let folders = folders.iter().map(place).collect();
                Ok(Self { space: LabelSpace::Folder, classes: all.subset(&outputs), outputs, folders })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(folders: &[&str]) -> ImageList {
        let image = |folder: &&str| (format!("{folder}/1.png"), (*folder).to_owned(), Vec::new());
        ImageList::in_memory(folders.iter().map(image).collect()).unwrap()
    }

    fn space(ids: &[&str]) -> ClassSpace {
        ClassSpace::of_folders(&ids.iter().map(|&id| id.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn folders_of_some_classes_are_a_label_space_of_their_own() {
        let all = space(&["cat", "dog", "bird", "fish"]);
        let found = LabelClasses::of(&images(&["fish", "dog"]), &all, "the model", None).unwrap();
        assert_eq!((found.space, &found.outputs[..]), (LabelSpace::Folder, &[1, 3][..]));
        assert_eq!((found.classes, found.folders), (space(&["dog", "fish"]), vec![0, 1]));
        let asked = Some(LabelSpace::Teacher);
        let found = LabelClasses::of(&images(&["fish", "dog"]), &all, "the model", asked).unwrap();
        assert_eq!((found.space, found.outputs.len(), found.folders), (LabelSpace::Teacher, 4, vec![1, 3]));
    }

    #[test]
    fn folders_that_are_no_class_or_the_same_one_are_refused() {
        let all = space(&["cat", "dog", "bird"]);
        let error = LabelClasses::of(&images(&["cow"]), &all, "the model", None).unwrap_err().to_string();
        assert!(error.contains("`cow`") && error.contains("the model"), "{error}");
        let error = LabelClasses::of(&images(&["Cat", "cat"]), &all, "the model", None).unwrap_err();
        assert!(error.to_string().contains("same class"), "{error}");
    }
}

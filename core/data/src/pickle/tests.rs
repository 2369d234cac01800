//! Hostile pickles, and the literals of every protocol.

use super::*;
use ferkd_method::ErrorKind;

const ALLOWED: Allowed =
    Allowed { globals: &["collections OrderedDict", "some thing"], remedy: "make it again" };

fn parse(bytes: &[u8]) -> Result<Pickle<'_>> {
    read(bytes, "a/file.tar", ALLOWED).map(|(pickle, _)| pickle)
}

fn refused(bytes: &[u8]) -> String {
    let error = parse(bytes).map(|_| ()).unwrap_err().to_string();
    assert!(error.starts_with("a/file.tar: ") && error.contains("(make it again)"), "{error}");
    error
}

fn root(bytes: &[u8]) -> Node<'_> {
    let pickle = parse(bytes).unwrap();
    pickle.nodes[pickle.root.0 as usize].clone()
}

#[test]
fn calls_of_the_system_are_refused_by_name() {
    for module in ["posix", "os", "nt"] {
        let bytes = format!("\x63{module}\nsystem\n(S'echo owned'\ntR.");
        let error = refused(bytes.as_bytes());
        assert!(error.contains(&format!("`{module}.system`")), "{error}");
    }
    // The same by a name on the stack, by an instance, and by an object.
    assert!(refused(b"\x80\x04\x8c\x05posix\x8c\x06system\x93.").contains("`posix.system`"));
    assert!(refused(b"(iposix\nsystem\n.").contains("`posix.system`"));
    assert!(refused(b"(cbuiltins\neval\no.").contains("`builtins.eval`"));
    let kind = parse(b"cposix\nsystem\n.").unwrap_err().kind();
    assert_eq!(kind, ErrorKind::Mismatch);
}

#[test]
fn a_blank_cannot_move_from_the_module_into_the_name() {
    assert!(parse(b"ccollections OrderedDict\n\n.").is_err());
    assert!(parse(b"c\ncollections OrderedDict\n.").is_err());
    assert!(parse(b"ccollections\nOrderedDict\n.").is_ok());
}

#[test]
fn names_in_errors_are_short_and_printable() {
    let mut bytes = b"c\x1b[31m".to_vec();
    bytes.extend([b'x'; 5000]);
    bytes.extend(b"\nsystem\n.");
    let error = refused(&bytes);
    assert!(error.len() < 400 && !error.contains('\x1b'), "{error}");
}

#[test]
fn an_allowed_call_is_noted_and_not_made() {
    let pickle = parse(b"\x80\x02csome\nthing\nK\x05\x85RK\x07b.").unwrap();
    let (constructor, arguments, state) = pickle.call(pickle.root()).unwrap();
    assert_eq!((constructor, pickle.count(arguments[0])), ("some thing", Some(5)));
    assert_eq!(state.and_then(|state| pickle.int(state)), Some(7));
    // Only a name can be called, only with a tuple, and a state is given once.
    assert!(parse(b"K\x05)R.").is_err());
    assert!(parse(b"csome\nthing\nK\x05R.").is_err());
    assert!(parse(b"csome\nthing\n)RK\x07bK\x08b.").is_err());
    assert!(parse(b"]K\x07b.").is_err());
}

#[test]
fn literals_of_every_protocol() {
    assert_eq!(root(b"I01\n."), Node::Bool(true));
    assert_eq!(root(b"I-12\n."), Node::Int(-12));
    assert_eq!(root(b"L5L\n."), Node::Int(5));
    assert_eq!(root(b"J\xff\xff\xff\xff."), Node::Int(-1));
    assert_eq!(root(b"M\x01\x02."), Node::Int(513));
    assert_eq!(root(b"\x8a\x00."), Node::Int(0));
    assert_eq!(root(b"\x8a\x02\x00\x80."), Node::Int(-32768));
    assert_eq!(root(b"\x8a\x09\x01\x01\x01\x01\x01\x01\x01\x01\x01."), Node::Long([1; 9][..].into()));
    assert_eq!(root(b"F0.5\n."), Node::Float(0.5));
    assert_eq!(root(b"G\x3f\xe0\0\0\0\0\0\0."), Node::Float(0.5));
    assert_eq!(root(b"S'a\\x41\\n'\n."), Node::Str("aA\n".into()));
    assert_eq!(root(b"U\x01\xff."), Node::Bytes([0xff][..].into()));
    assert_eq!(root(b"V\\u00e9\xe9\n."), Node::Str("éé".into()));
    assert_eq!(root(b"C\x02ab."), Node::Bytes(b"ab"[..].into()));
    assert_eq!(root(b"\x96\x02\0\0\0\0\0\0\0ab."), Node::Bytes(b"ab"[..].into()));
    assert_eq!(root(b"N."), Node::None);
    let list = parse(b"(lp0\nI1\naI2\na.").unwrap();
    assert_eq!(list.counts(list.root()), Some(vec![1, 2]));
    let dict = parse(b"(dp0\nS'a'\nI1\nsS'a'\nI2\ns.").unwrap();
    assert_eq!(dict.get(dict.root(), "a").and_then(|id| dict.int(id)), Some(2));
    let ordered = parse(b"ccollections\nOrderedDict\n)R(X\x01\0\0\0aK\x03u.").unwrap();
    assert_eq!(ordered.get(ordered.root(), "a").and_then(|id| ordered.int(id)), Some(3));
}

#[test]
fn the_bytes_behind_a_pickle_are_not_its_own() {
    assert_eq!(read(b"K\x05.rest", "x", ALLOWED).unwrap().1, 3);
}

#[test]
fn lengths_beyond_the_file_are_errors() {
    for bytes in [
        &b"X\xff\xff\xff\xffa"[..],
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffa",
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7fa",
        b"B\xff\xff\xff\x7fa",
        b"T\xff\xff\xff\xffa",
        b"\x8b\xff\xff\xff\xff",
        b"\x8b\xff\xff\xff\x7f",
        b"\x96\0\0\0\0\0\0\0\x80",
    ] {
        refused(bytes);
    }
    // A frame announces bytes, but nothing is read by it.
    assert!(parse(b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xffN.").is_ok());
}

#[test]
fn a_memo_bomb_costs_no_more_than_its_bytes() {
    // Each list holds the last one ten times: a walk through it would never end.
    let mut bytes = b"]q\x00".to_vec();
    for level in 0..200u8 {
        bytes.extend(b"](");
        bytes.extend([b'h', level].repeat(10));
        bytes.extend([b'e', b'q', level + 1]);
    }
    bytes.push(b'.');
    let pickle = parse(&bytes).unwrap();
    assert!(pickle.nodes().len() < bytes.len());
    // One large tuple as the arguments of many calls is not copied.
    let mut bytes = b"csome\nthing\nq\x00(".to_vec();
    bytes.extend([b'N'; 10_000]);
    bytes.extend(b"tq\x01");
    bytes.extend(b"h\x00h\x01R".repeat(10_000));
    bytes.push(b'.');
    let pickle = parse(&bytes).unwrap();
    assert!(pickle.nodes().len() < 10_100);
}

#[test]
fn a_list_may_hold_itself() {
    let pickle = parse(b"]q\x00h\x00a.").unwrap();
    assert_eq!(pickle.sequence(pickle.root()), Some(&[pickle.root()][..]));
}

#[test]
fn depth_is_no_matter() {
    let mut bytes = vec![b']'; 100_000];
    bytes.extend([b'a'; 99_999]);
    bytes.push(b'.');
    assert!(parse(&bytes).is_ok());
    let mut bytes = vec![b'('; 100_000];
    bytes.extend([b't'; 100_000]);
    bytes.push(b'.');
    assert!(parse(&bytes).is_ok());
}

#[test]
fn more_values_than_any_file_has_are_refused() {
    assert!(refused(&vec![b']'; 1_100_000]).contains("values"));
}

#[test]
fn broken_programs_are_errors() {
    for bytes in [
        &b""[..],
        b".",
        b"(.",
        b"a.",
        b"K\x01a.",
        b"(K\x01K\x02.\x00",
        b"(a.",
        b"K\x01(a.",
        b"h\x00.",
        b"g9x\n.",
        b"p0\n.",
        b"q\x00.",
        b"t.",
        b"e.",
        b"}K\x01s.",
        b"}(K\x01u.",
        b"K\x01K\x02K\x03s.",
        b"\x85.",
        b"\x80\x06N.",
        b"\x82\x01.",
        b"\x97.",
        b"X\x01\0\0\0\xff.",
        b"Ifive\n.",
        b"S'a\n.",
        b"V\\uZZZZ\n.",
        b"V\\ud800\n.",
        b"\xff.",
        b"K\x01K\x02\x93.",
    ] {
        let done = parse(bytes);
        if bytes == b"(K\x01K\x02.\x00" {
            assert!(done.is_ok(), "Python leaves what lies below a stop");
        } else {
            assert!(done.is_err(), "{}", bytes.escape_ascii());
        }
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_give_values_or_an_error(bytes: Vec<u8>) {
        let _ = parse(&bytes);
    }

    #[test]
    fn any_operations_give_values_or_an_error(ops in proptest::collection::vec(0usize..40, 0..60)) {
        const OPS: [&[u8]; 40] = [
            b"(", b".", b"0", b"1", b"2", b"N", b")", b"]", b"}", b"\x8f", b"l", b"t", b"d", b"\x85", b"\x86", b"\x87",
            b"\x91", b"\x90", b"a", b"e", b"s", b"u", b"b", b"R", b"o", b"\x81", b"Q", b"Px\n", b"q\x00", b"q\x01",
            b"h\x00", b"h\x01", b"\x94", b"csome\nthing\n", b"isome\nthing\n", b"K\x01", b"X\x01\0\0\0a", b"\x88",
            b"\x93", b"I5\n",
        ];
        let bytes: Vec<u8> = ops.iter().flat_map(|&op| OPS[op].iter().copied()).chain([b'.']).collect();
        if let Ok(pickle) = parse(&bytes) {
            let root = pickle.root();
            let _ = (pickle.items(root), pickle.counts(root), pickle.call(root), pickle.get(root, "a"));
            let _ = numpy::array(&pickle, root);
        }
    }
}

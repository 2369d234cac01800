use super::*;
use ferkd_method::calibration::Adaptation;
use ferkd_method::label::SoftLabel;
use ferkd_method::mining::{Histogram, KindCounts, RegionKind, Thresholds};
use ferkd_method::region::Region;
use ferkd_method::selfmix::{Mixing, Operator};

const HOSTILE: &str = "</style><script src=\"https://example.org/x.js\">alert('&')</script>\u{202E}\0";

/// A page with every block on it, all of whose names are `name`.
fn everything(name: &str) -> Report {
    let thresholds = Thresholds { low: 0.1, mid: 0.3, high: 0.9 };
    let mut histogram = Histogram::new(20);
    (0..100).for_each(|i| histogram.add(i as f32 / 100.0));
    let picture = Picture::png(&[40; 27], 3, 3).unwrap();
    let item = RegionItem {
        picture: picture.clone(),
        kind: RegionKind::Context,
        confidence: 0.2,
        teacher: name.into(),
        truth: name.into(),
        visible: Some(0.5),
    };
    let region = Region { top: 0, left: 1, height: 2, width: 2, flip: false };
    let boxes = vec![RegionBox { region, kind: RegionKind::Trivial, confidence: 0.95 }];
    let bars = |label: &SoftLabel| LabelBars::of(label, 3, Some(1), |class| format!("{name} {class}"));
    let (teacher, adapted) = (SoftLabel::smoothed(0, 10, 0.4), SoftLabel::smoothed(1, 10, 0.1));
    let pair = LabelPair {
        name: name.into(),
        picture: Some(picture.clone()),
        kind: RegionKind::Context,
        before: bars(&teacher),
        after: After::Label(bars(&adapted), teacher.total_variation(&adapted)),
        why: why(0.2, &thresholds, RegionKind::Context, name, 0.1, Adaptation::Full),
    };
    let mixed = MixedPair {
        name: name.into(),
        a: picture.clone(),
        b: picture.clone(),
        mixed: picture.clone(),
        mixing: Mixing { operator: Operator::Pixels, l: 0.4 },
        total_variation: [0.1, 0.2],
    };
    let separation = Separation { auc: 0.9, first: name.into(), second: name.into() };
    let counts = KindCounts([10, 20, 60, 10]);
    Report::new(name)
        .subtitle(name)
        .lead(name)
        .footer(name)
        .section(Section::new(name).note(name).with(Text::new().paragraph(name).code(name)))
        .section(
            Section::new(name)
                .with(
                    Table::new(name, [name])
                        .note(name)
                        .row([Cell::number(1.0, 2).unit(name)])
                        .row([name.into()]),
                )
                .with(Curves::new(name, name, name).note(name).curve(name, vec![(0.0, 1.0), (1.0, 2.0)])),
        )
        .section(
            Section::new(name)
                .with(
                    ConfidenceHistogram::new(name, histogram.clone(), thresholds, counts)
                        .note(name)
                        .overlay(name, histogram)
                        .separation(separation),
                )
                .with(RegionGrid::new(name, vec![item]).note(name))
                .with(ImageRegions::new(name, picture, (3, 3), boxes).note(name))
                .with(LabelPairs::new(name, vec![pair]).note(name))
                .with(SelfmixPairs::new(name, vec![mixed]).note(name).across_images(0.5))
                .with(Definitions::new(name).item(name, name)),
        )
}

/// Checks that elements are closed in order and that ids are unique; returns the tags' names.
fn tags(page: &str) -> Vec<String> {
    const ALONE: [&str; 3] = ["meta", "link", "!doctype"];
    let (mut open, mut seen, mut ids) = (Vec::new(), Vec::new(), std::collections::BTreeSet::new());
    let (before, rest) = page.split_once("<style>").unwrap();
    let body = rest.split_once("</style>").unwrap().1;
    for part in before.split('<').skip(1).chain(body.split('<').skip(1)) {
        let (tag, _) = part.split_once('>').expect("a tag without an end");
        let name = tag.split([' ', '/']).find(|s| !s.is_empty()).unwrap().to_owned();
        if let Some(id) = tag.split(" id=\"").nth(1) {
            assert!(ids.insert(id.split('"').next().unwrap().to_owned()), "{tag}");
        }
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') && !ALONE.contains(&name.as_str()) {
            open.push(name.clone());
            seen.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
    seen
}

#[test]
fn hostile_names_stay_text() {
    let page = everything(HOSTILE).render();
    assert_eq!(tags(&page), tags(&everything("tabby").render()));
    assert!(!page.contains("<script") && !page.contains('\u{202E}') && !page.contains('\0'));
    assert!(page.contains("&lt;script src=&quot;https://example.org/x.js&quot;&gt;alert(&#39;&amp;&#39;)"));
}

#[test]
fn the_page_loads_nothing() {
    let page = everything("tabby").render();
    for attribute in [" src=\"", " href=\""] {
        let mut values = page.split(attribute).skip(1).peekable();
        assert!(values.peek().is_some());
        assert!(values.all(|value| value.starts_with("data:") || value.starts_with('#')), "{attribute}");
    }
    for foreign in ["<script", "@import", "url(", "://"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    assert_eq!(everything("tabby").render(), everything("tabby").render());
}

#[test]
fn charts_and_tables_have_names() {
    let page = everything("tabby").render();
    let charts = page.matches("<svg class=\"chart").count();
    assert_eq!(charts, 4);
    assert_eq!(page.matches("<desc").count(), charts);
    assert!(page.matches("<caption").count() >= 2);
    assert_eq!(page.matches("<th>").count(), 0, "every header has a scope");
    assert_eq!(page.matches("<img").count(), page.matches(" alt=\"").count());
}

#[test]
fn an_empty_report_is_a_page() {
    let page = Report::new("").section(Section::default()).render();
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    tags(&page);
}

//! Labels as bytes: how near a decoded one is to the same rule on the unquantised top K.

use proptest::prelude::*;

use super::*;
use ferkd_method::label::{TopK, total_variation};
use ferkd_method::mining::Confidence;

const KS: [usize; 4] = [1, 2, 5, 10];

fn codec(codec: Codec, k: usize, classes: usize) -> LabelCodec {
    let (codec, k) = codec.resolve(k, classes);
    LabelCodec::of(&described(codec, k, classes))
}

fn described(codec: Codec, k: usize, classes: usize) -> Manifest {
    let mut manifest = manifest(1, codec, k as u32);
    manifest.label.classes = classes as u32;
    manifest
}

/// Distributions of many shapes over `classes` classes: shape by number.
fn shaped(shape: u32, draw: &mut Stream, classes: usize) -> Vec<f32> {
    let scale = draw.uniform(0.1, 8.0);
    let tied = 1 + draw.below(20) as usize;
    let mass = draw.unit();
    let mut p: Vec<f64> = (0..classes)
        .map(|at| match shape {
            // Like a network's: from flat to sharp.
            0 => libm::exp(scale * draw.normal()),
            // The first few tied, nothing else.
            1 => f64::from(at < tied),
            // The first few tied, the rest flat.
            2 if at < tied => mass / tied.min(classes) as f64,
            2 => (1.0 - mass) / classes as f64,
            // Falling geometrically, and as a power.
            3 => libm::exp(-scale * at as f64),
            4 => libm::pow(at as f64 + 1.0, -scale),
            // Logits rounded to whole numbers: ties everywhere.
            5 => libm::exp((scale * draw.normal()).round()),
            // One class has all but a trace.
            _ => {
                if at == 0 {
                    1.0
                } else {
                    libm::exp(-2.0 * scale) / classes as f64
                }
            }
        })
        .collect();
    let sum: f64 = p.iter().sum();
    p.iter_mut().for_each(|p| *p /= sum);
    let mut p: Vec<f32> = p.into_iter().map(|p| p as f32).collect();
    draw.shuffle(&mut p);
    p
}

/// Total variation of a stored label from the same rule on the exact top K.
fn distance(kept: LabelCodec, rule: Codec, k: usize, p: &[f32]) -> f64 {
    let (rule, k) = rule.resolve(k, p.len());
    let exact = TopK::of(p, k).decode(rule, p.len()).unwrap();
    let mut bytes = Vec::new();
    kept.encode_full(p, &mut bytes).unwrap();
    assert_eq!(bytes.len(), kept.record_len());
    let label = kept.decode(&bytes).unwrap();
    let (a, b) = (exact.top()[0], label.top()[0]);
    assert_eq!(a.0, b.0);
    assert!((a.1 - b.1).abs() <= 1.0 / 4000.0, "p1 {} became {} ({rule:?}, K = {k})", a.1, b.1);
    let sum: f64 = kept.top_k(&bytes).unwrap().probabilities.iter().map(|&p| f64::from(p)).sum();
    let most = if rule == Codec::MarginalRenorm || rule == Codec::Full { 1.0 + 1e-6 } else { 1.0 };
    assert!(sum <= most, "{sum} ({rule:?}, K = {k})");
    total_variation(&exact.dense(), &label.dense())
}

#[test]
fn decoded_labels_are_near_the_unquantised_rule() {
    for rule in [Codec::MarginalSmoothing, Codec::MarginalRenorm, Codec::Smoothing, Codec::Hard, Codec::Full]
    {
        for k in KS {
            for shape in 0..7 {
                let (mut sum, mut most) = (0.0, 0.0f64);
                for number in 0..300 {
                    let mut draw = Stream::new(u64::from(shape), Purpose::Scene, number, k as u32);
                    let classes = if number % 3 == 0 { 12 } else { 200 };
                    let p = shaped(shape, &mut draw, classes);
                    let tv = distance(codec(rule, k, classes), rule, k, &p);
                    sum += tv;
                    most = most.max(tv);
                }
                let mean = sum / 300.0;
                assert!(most < 0.01 && mean < 0.003, "{rule:?} K = {k} shape {shape}: {mean} {most}");
            }
        }
    }
}

/// Distributions whose size, shape and randomness proptest shrinks.
fn distribution() -> impl Strategy<Value = Vec<f32>> {
    (0u32..7, any::<u64>(), 2usize..300)
        .prop_map(|(shape, seed, n)| shaped(shape, &mut Stream::new(seed, Purpose::Scene, 0, 0), n))
}

fn any_codec() -> impl Strategy<Value = Codec> {
    prop::sample::select(vec![
        Codec::MarginalSmoothing,
        Codec::MarginalRenorm,
        Codec::Smoothing,
        Codec::Hard,
        Codec::Full,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn any_distribution_is_kept_within_a_hundredth(p in distribution(), rule in any_codec(), k in prop::sample::select(&KS[..])) {
        let tv = distance(codec(rule, k, p.len()), rule, k, &p);
        prop_assert!(tv < 0.01, "{tv}");
    }

    #[test]
    fn large_k_is_no_worse(p in distribution(), k in 10usize..100) {
        for rule in [Codec::MarginalSmoothing, Codec::MarginalRenorm] {
            let tv = distance(codec(rule, k, p.len()), rule, k, &p);
            prop_assert!(tv < 0.01, "{rule:?}: {tv}");
        }
    }

    #[test]
    fn confidences_are_those_of_the_decoded_label(p in distribution(), rule in any_codec(), k in 1usize..12, truth: prop::sample::Index) {
        let kept = codec(rule, k, p.len());
        let truth = truth.index(p.len()) as u32;
        let mut bytes = Vec::new();
        kept.encode_full(&p, &mut bytes).unwrap();
        let label = kept.decode(&bytes).unwrap();
        let mut scratch = TopK::default();
        for which in [Confidence::Max, Confidence::Target] {
            let found = kept.confidence(&bytes, which, Some(truth), &mut scratch).unwrap();
            prop_assert_eq!(found, which.of(&label, Some(truth)).unwrap());
        }
    }

    #[test]
    fn any_bytes_give_a_label_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..60), rule in any_codec(), k in 1usize..12, classes in 1usize..15) {
        let kept = codec(rule, k, classes);
        let mut scratch = TopK::default();
        for record in [&bytes[..], &bytes[..bytes.len().min(kept.record_len())]] {
            if let Ok(label) = kept.decode(record) {
                let sum: f64 = label.dense().iter().map(|&p| f64::from(p)).sum();
                prop_assert!((sum - 1.0).abs() < 1e-5, "{sum}");
                let found = kept.confidence(record, Confidence::Max, None, &mut scratch).unwrap();
                prop_assert_eq!(found, Confidence::Max.of(&label, None).unwrap());
            }
            let _ = kept.confidence(record, Confidence::Target, Some(3), &mut scratch);
        }
    }

    #[test]
    fn encoding_twice_gives_the_same_bytes(p in distribution(), rule in any_codec(), k in 1usize..12) {
        let kept = codec(rule, k, p.len());
        let (mut once, mut twice) = (Vec::new(), Vec::new());
        kept.encode_full(&p, &mut once).unwrap();
        kept.encode(&TopK::of(&p, p.len()), &mut twice).unwrap();
        prop_assert_eq!(once, twice);
    }
}

#[test]
fn a_full_label_is_exact() {
    let p = teacher(3, 1);
    let kept = codec(Codec::Full, 5, p.len());
    let mut bytes = Vec::new();
    kept.encode_full(&p, &mut bytes).unwrap();
    assert_eq!(bytes, bytemuck::cast_slice::<f32, u8>(&p));
    let top = TopK::of(&p, p.len());
    assert_eq!(kept.top_k(&bytes).unwrap(), top);
}

#[test]
fn a_known_label_has_known_bytes() {
    let kept = codec(Codec::MarginalSmoothing, 3, 1000);
    let top = TopK { classes: vec![258, 7, 999], probabilities: vec![0.5, 0.25, 0.031] };
    let mut bytes = Vec::new();
    kept.encode(&top, &mut bytes).unwrap();
    // q1 = round(65535 * sqrt(0.5)) = 46340; the tail: 255 * sqrt(2 * 0.25) = 180.3, 255 * sqrt(3 * 0.031) = 77.8.
    assert_eq!(bytes, [2, 1, 7, 0, 231, 3, 4, 181, 180, 78]);
    let read = kept.top_k(&bytes).unwrap();
    assert_eq!(read.classes, top.classes);
    assert_eq!(read.probabilities[0], (1.0 - (46340.0f64 / 65535.0).powi(2)) as f32);
    assert!((read.probabilities[1] - (180.0f32 / 255.0).powi(2) / 2.0).abs() < 1e-7);

    // Format 1: p1 = round(0.5 * 65535).
    let old = LabelCodec::of(&Manifest { format: 1, ..described(Codec::MarginalSmoothing, 3, 1000) });
    let mut bytes = Vec::new();
    old.encode(&top, &mut bytes).unwrap();
    assert_eq!(bytes, [2, 1, 7, 0, 231, 3, 0, 128, 180, 78]);
    assert_eq!(old.top_k(&bytes).unwrap().probabilities[0], (32768.0f64 / 65535.0) as f32);
}

#[test]
fn a_sure_teachers_confidences_stay_apart() {
    // 32-bit floats know 1 - 6e-8 at the most below 1; the linear code of format 1 made 1 of all from 0.999993 on.
    let sure: Vec<f32> = (1..=400).map(|n| 1.0 - n as f32 * 6e-8).collect();
    let read = |manifest: &Manifest| -> Vec<f32> {
        let kept = LabelCodec::of(manifest);
        let confidence = |&p: &f32| {
            let mut bytes = Vec::new();
            let others = (1.0 - p) / 11.0;
            let top =
                TopK { classes: vec![3, 1, 2, 4, 5], probabilities: vec![p, others, others, others, others] };
            kept.encode(&top, &mut bytes).unwrap();
            assert_eq!(bytes.len(), 16);
            kept.confidence(&bytes, Confidence::Max, None, &mut TopK::default()).unwrap()
        };
        sure.iter().map(confidence).collect()
    };
    let manifest = described(Codec::MarginalSmoothing, 5, 12);
    let found = read(&manifest);
    // Steps of 2 code / 65535^2 at code = 65535 sqrt(1 - p): below 2.4e-5 * 0.005 here.
    assert!(found.iter().zip(&sure).all(|(a, b)| (a - b).abs() < 2e-7), "{found:?}");
    assert!(found.is_sorted_by(|a, b| a >= b) && found[0] < 1.0);
    let different = |found: &[f32]| found.chunk_by(|a, b| a == b).count();
    assert!(different(&found) > 150, "{}", different(&found));
    assert!(different(&read(&Manifest { format: 1, ..manifest })) < 5);
}

#[test]
fn every_first_code_is_read_as_it_was_written() {
    for (format, codes) in [(1, 1..=65535u16), (2, 0..=65534)] {
        let kept = LabelCodec::of(&Manifest { format, ..described(Codec::Smoothing, 1, 40_000) });
        let mut last = None;
        for code in codes {
            let record = [9, 0, code.to_le_bytes()[0], code.to_le_bytes()[1]];
            let top = kept.top_k(&record).unwrap();
            let p = top.probabilities[0];
            let mut again = Vec::new();
            kept.encode(&top, &mut again).unwrap();
            assert_eq!(kept.top_k(&again).unwrap(), top, "format {format}, code {code}");
            let step = last.map_or(0.0, |last: f32| (p - last).abs());
            assert!(step <= 3.2e-5 && (format == 2 || p > 0.0), "format {format}, code {code}: {step}");
            last = Some(p);
        }
    }
}

#[test]
fn sums_above_one_are_scaled_as_the_method_says() {
    let top = TopK { classes: vec![3, 1], probabilities: vec![0.8, 0.3] };
    for rule in [Codec::MarginalSmoothing, Codec::MarginalRenorm] {
        let kept = codec(rule, 2, 12);
        let mut bytes = Vec::new();
        kept.encode(&top, &mut bytes).unwrap();
        let exact = top.decode(rule, 12).unwrap();
        assert!(exact.total_variation(&kept.decode(&bytes).unwrap()) < 0.002);
    }
}

#[test]
fn labels_without_a_meaning_are_refused() {
    let kept = codec(Codec::MarginalSmoothing, 2, 12);
    let mut bytes = Vec::new();
    for (classes, p) in [
        (vec![1], vec![0.5]),
        (vec![1, 12], vec![0.5, 0.2]),
        (vec![1, 1], vec![0.5, 0.2]),
        (vec![1, 2], vec![0.2, 0.5]),
        (vec![1, 2], vec![f32::NAN, 0.5]),
        (vec![1, 2], vec![0.5, f32::NAN]),
        (vec![1, 2], vec![1.5, 0.1]),
        (vec![1, 2], vec![0.5, -0.1]),
        (vec![1, 2], vec![0.0, 0.0]),
    ] {
        let top = TopK { classes, probabilities: p };
        assert!(kept.encode(&top, &mut bytes).is_err(), "{top:?}");
    }
    let mut all = vec![0.0; 12];
    all[3] = 0.4;
    assert!(kept.encode_full(&all, &mut bytes).is_err());
    assert!(kept.encode_full(&[1.0], &mut bytes).is_err());
    assert!(bytes.is_empty());
}

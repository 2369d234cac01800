//! A share's rows are those of the whole batch.

use super::*;
use crate::prefetch::Prefetch;
use crate::upload::on;
use ferkd_data::batches::batch::{Batch, Batcher, InputSpec};
use ferkd_data::batches::pictures::Pictures;
use ferkd_data::batches::share::Share;
use ferkd_data::pixels::Filter;
use ferkd_method::selfmix::{Mix, MixRule};

fn values(pictures: &Pictures) -> &[f32] {
    match pictures {
        Pictures::F32(values) => values,
        Pictures::Bf16(_) => panic!("the student computes in f32"),
    }
}

#[test]
fn shares_are_the_rows_of_the_whole_batch() {
    let mut mixed = 0;
    for mix in [Mix::None, Mix::Selfmix, Mix::Mixup, Mix::Cutmix] {
        let config = TrainConfig { mix: Some(mix), batch: 14, ..transformer() };
        let mut batcher = Batcher::clone(trainer(&config, 10, 1).batcher());
        batcher.teacher = Some(InputSpec { side: 11, filter: Filter::Bicubic, ..batcher.student });
        // Without mixing, to see that there is any.
        let plain = Batcher { mix: MixRule::default(), ..batcher.clone() };
        for step in 0..batcher.plan.steps() {
            let whole = batcher.batch(step, &mut None).unwrap().unwrap();
            mixed += usize::from(whole.pixels != plain.batch(step, &mut None).unwrap().unwrap().pixels);
            for of in 1..=9 {
                let parts: Vec<Batch> = (0..of)
                    .map(|number| batcher.share(step, &mut None, Share { number, of }).unwrap().unwrap())
                    .collect();
                let (mut row, mut pixels, mut teachers) = (0, Vec::<f32>::new(), Vec::<f32>::new());
                for part in parts {
                    assert_eq!((part.step, part.first, part.total), (step, row, whole.total));
                    assert_eq!((part.kinds, part.fallbacks), (whole.kinds, whole.fallbacks));
                    assert_eq!(part.targets, whole.targets.rows(row..row + part.len));
                    row += part.len;
                    pixels.extend(values(&part.pixels));
                    teachers.extend(values(&part.teacher_pixels));
                }
                assert_eq!(row, whole.len);
                let are_the_same =
                    pixels == values(&whole.pixels) && teachers == values(&whole.teacher_pixels);
                assert!(are_the_same, "{mix:?}, {of} shares");
            }
        }
    }
    assert!(mixed >= 3, "{mixed} mixed batches");
}

#[test]
fn a_share_decodes_its_own_images() {
    let config = TrainConfig { mix: Some(Mix::Selfmix), batch: 20, ..transformer() };
    let mut images = pictures(10);
    let batcher = trainer(&config, 10, 1).batcher().clone();
    let order = batcher.plan.image_order(0);
    // An image of the second half is broken: the first half never looks at it.
    let broken = batcher.images.name(order[7] as usize).to_owned();
    images.iter_mut().filter(|(name, ..)| *name == broken).for_each(|(_, _, bytes)| bytes.truncate(40));
    let batcher = Batcher { images: ImageList::in_memory(images).unwrap(), ..Batcher::clone(&batcher) };
    let half = |number| batcher.share(0, &mut None, Share { number, of: 2 });
    assert_eq!(half(0).unwrap().unwrap().len, 10);
    assert!(half(1).unwrap_err().to_string().contains(&broken));
}

#[test]
fn what_is_sent_ahead_is_what_would_have_been_uploaded() {
    let batcher = trainer(&transformer(), 10, 1).batcher().clone();
    let side = batcher.student.side;
    for name in ["flex", "wgpu"] {
        let device = match ferkd_nn::device::open(name) {
            Ok(device) => device.autodiff(),
            Err(error) => {
                eprintln!("skipped: no {name} device: {error}");
                continue;
            }
        };
        for of in 1..=3 {
            let devices = vec![device.clone(); of];
            let plain = Prefetch::of(batcher.clone(), Share::WHOLE, 0, 2);
            let ahead = Prefetch::of(batcher.clone(), Share::WHOLE, 0, 2).sent_to(devices.clone(), side);
            let (mut steps, has_memory) = (0, ferkd_nn::device::has_memory(&device));
            for (plain, ahead) in plain.zip(ahead) {
                let (plain, ahead) = (plain.unwrap(), ahead.unwrap());
                assert_eq!(ahead.devices(), if has_memory { of } else { 0 });
                let sent = if has_memory { ahead } else { ahead.sent_to(&devices, side) };
                assert_eq!(sent.pixels.bytes(), 0);
                for number in 0..of {
                    let own = Share { number, of }.range(plain.len);
                    for rows in [own.clone(), own.start + 1..own.end] {
                        let found = sent.pixels_on(&device, side, rows.clone());
                        assert!(found.device().is_autodiff());
                        let expected = on(&plain.pixels, &Device::flex(), side, rows.clone()).into_data();
                        assert_eq!(found.into_data(), expected);
                        let found = sent.pixels_on(&device.clone().inner(), side, rows);
                        assert!(!found.device().is_autodiff());
                        assert_eq!(found.into_data(), expected);
                    }
                }
                steps += 1;
            }
            assert_eq!(steps, batcher.plan.steps());
        }
    }
}

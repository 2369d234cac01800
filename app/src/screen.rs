//! Pictures whose pixels are computed for the screen: by shaders where the window is drawn by wgpu, and else by
//! their twins in core.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use eframe::egui_wgpu::RenderState;
use egui::{ColorImage, Context, TextureHandle, TextureId, TextureOptions};
use ferkd_data::pixels::{Filter, Normalisation, crop_resize};
use ferkd_method::Result;
use ferkd_method::heat::{Grid, colour, heat_map};
use ferkd_method::region::Region;
use ferkd_method::selfmix::{Mixing, mixed_picture};
use ferkd_shaders::{CropResize, Cut, Heat, Mix, Paint};
use image::RgbImage;
use wgpu::{Buffer, BufferUsages, CommandEncoder};

/// Cells along the longer side of a heat map that the CPU computes.
const CPU_CELLS: u32 = 96;

/// The same where a shader does: one a pixel, up to here.
const GPU_CELLS: u32 = 1024;

/// Pictures that are kept on the device for the next mixture.
const KEPT: usize = 4;

/// Below this side, in pixels, a picture shows its pixels, as the student meets them.
const SMALL: u32 = 64;

/// Bytes as numbers in 0..=1.
const UNIT: Normalisation = Normalisation { mean: [0.0; 3], std: [1.0; 3] };

/// Makes the pictures, and keeps each until it would be another one.
#[derive(Default)]
pub(crate) struct Screen {
    gpu: Option<Gpu>,
    /// By what a picture is for: what it was made of, and its textures.
    kept: HashMap<String, (u64, Vec<Picture>)>,
}

/// A heat map as a texture: its points are the texture's pixels.
pub(crate) struct HeatPicture {
    /// The texture.
    pub texture: TextureId,
    /// Where its points lie.
    pub grid: Grid,
}

/// Two regions that are mixed.
pub(crate) struct Mixture<'a> {
    /// Picture and region of both, mirrored where the region is.
    pub parents: [(&'a Arc<RgbImage>, Region); 2],
    /// Operator and weight.
    pub mixing: Mixing,
    /// Side of the pictures that are mixed, in pixels.
    pub side: u32,
}

enum Picture {
    Drawn(TextureHandle),
    /// The window's name for it, and itself.
    Painted(
        TextureId,
        #[cfg_attr(not(test), expect(dead_code, reason = "a test looks at it"))] wgpu::Texture,
    ),
}

impl Picture {
    fn id(&self) -> TextureId {
        match self {
            Self::Drawn(texture) => texture.id(),
            Self::Painted(id, _) => *id,
        }
    }
}

struct Gpu {
    window: RenderState,
    heat: Heat,
    cut: CropResize,
    mix: Mix,
    paint: Paint,
    sources: Vec<(Arc<RgbImage>, wgpu::Texture)>,
}

impl Screen {
    /// Computes by shaders, on the device that the window is drawn with.
    pub fn on(window: RenderState) -> Self {
        let device = &window.device;
        let (heat, cut) = (Heat::new(device), CropResize::new(device));
        let (mix, paint) = (Mix::new(device), Paint::new(device));
        Self { gpu: Some(Gpu { heat, cut, mix, paint, sources: Vec::new(), window }), kept: HashMap::new() }
    }

    /// Whether shaders compute.
    #[cfg(test)]
    pub fn is_on_gpu(&self) -> bool {
        self.gpu.is_some()
    }

    /// The heat map of some regions of a picture of `width` x `height` pixels, with the confidence of each.
    pub fn heat(
        &mut self,
        (width, height): (u32, u32),
        regions: &[Region],
        confidences: &[f32],
        ctx: &Context,
    ) -> HeatPicture {
        let most = if self.gpu.is_some() { GPU_CELLS } else { CPU_CELLS };
        let grid = Grid::new(width, height, most.min(width.max(height)));
        let bits: Vec<u32> = confidences.iter().map(|c| c.to_bits()).collect();
        let key = hash(&(width, height, regions, bits));
        if let Some((of, pictures)) = self.kept.get("heat")
            && let (true, [picture]) = (*of == key, &pictures[..])
        {
            return HeatPicture { texture: picture.id(), grid };
        }
        let picture = match &mut self.gpu {
            Some(gpu) => gpu.heat(&grid, regions, confidences),
            None => {
                let means = heat_map(regions, confidences, &grid);
                let pixels = means.into_iter().map(|mean| match mean.map(colour) {
                    Some([r, g, b]) => egui::Color32::from_rgb(r, g, b),
                    None => egui::Color32::TRANSPARENT,
                });
                let size = [grid.columns as usize + 1, grid.rows as usize + 1];
                let image = ColorImage::new(size, pixels.collect());
                Picture::Drawn(ctx.load_texture("heat map", image, TextureOptions::LINEAR))
            }
        };
        let texture = picture.id();
        self.keep("heat", key, vec![picture]);
        HeatPicture { texture, grid }
    }

    /// Both regions and their mixture, as square textures. `slot` is the place on the screen that they are for.
    ///
    /// # Errors
    /// A region outside of its picture, or a side of 0.
    pub fn mixture(&mut self, slot: &str, mixture: &Mixture<'_>, ctx: &Context) -> Result<[TextureId; 3]> {
        let of = |(picture, region): &(&Arc<RgbImage>, Region)| (Arc::as_ptr(picture) as usize, *region);
        let [a, b] = &mixture.parents;
        let Mixing { operator, l } = mixture.mixing;
        let key = hash(&(of(a), of(b), mixture.side, l.to_bits(), format!("{operator:?}")));
        if let Some((of, pictures)) = self.kept.get(slot)
            && let (true, [a, b, mixed]) = (*of == key, &pictures[..])
        {
            return Ok([a.id(), b.id(), mixed.id()]);
        }
        let pictures = match &mut self.gpu {
            Some(gpu) if gpu.has_room(mixture) => gpu.mixture(mixture)?,
            _ => on_the_cpu(mixture, ctx)?,
        };
        let ids = [pictures[0].id(), pictures[1].id(), pictures[2].id()];
        self.keep(slot, key, pictures.into());
        Ok(ids)
    }

    fn keep(&mut self, slot: &str, key: u64, pictures: Vec<Picture>) {
        let before = self.kept.insert(slot.into(), (key, pictures));
        let Some(gpu) = &self.gpu else { return };
        let mut renderer = gpu.window.renderer.write();
        for picture in before.into_iter().flat_map(|(_, pictures)| pictures) {
            if let Picture::Painted(id, _) = picture {
                renderer.free_texture(&id);
            }
        }
    }
}

fn hash(of: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

fn on_the_cpu(mixture: &Mixture<'_>, ctx: &Context) -> Result<[Picture; 3]> {
    let Mixture { parents: [a, b], mixing, side } = mixture;
    let pixels =
        |(picture, region): &(&Arc<RgbImage>, Region)| crop_resize(picture, region, *side, Filter::Bilinear);
    let (a, b) = (pixels(a)?, pixels(b)?);
    let mixed = mixed_picture(&a, &b, mixing, *side);
    let options = if *side < SMALL { TextureOptions::NEAREST } else { TextureOptions::LINEAR };
    Ok([a, b, mixed].map(|bytes| {
        let image = ColorImage::from_rgb([*side as usize; 2], &bytes);
        Picture::Drawn(ctx.load_texture("mixed picture", image, options))
    }))
}

impl Gpu {
    fn encoder(&self) -> CommandEncoder {
        self.window.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default())
    }

    fn buffer(&self, numbers: u64) -> Buffer {
        self.window.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("screen"),
            size: 4 * numbers.max(1),
            usage: BufferUsages::STORAGE | BufferUsages::COPY_DST | BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        })
    }

    /// Shows a painted texture to the window.
    fn show(&self, texture: wgpu::Texture, filter: wgpu::FilterMode) -> Picture {
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        let mut renderer = self.window.renderer.write();
        Picture::Painted(renderer.register_native_texture(&self.window.device, &view, filter), texture)
    }

    fn heat(&self, grid: &Grid, regions: &[Region], confidences: &[f32]) -> Picture {
        let (device, queue) = (&self.window.device, &self.window.queue);
        let (input, means) = (self.buffer(confidences.len() as u64), self.buffer(grid.points() as u64));
        let bytes: Vec<u8> = confidences.iter().flat_map(|c| c.to_le_bytes()).collect();
        queue.write_buffer(&input, 0, &bytes);
        let texture = Paint::texture(device, (grid.columns + 1, grid.rows + 1));
        let mut encoder = self.encoder();
        self.heat.encode(device, &mut encoder, grid, regions, [&input, &means]);
        self.paint.encode_heat(device, &mut encoder, &means, &texture);
        queue.submit([encoder.finish()]);
        self.show(texture, wgpu::FilterMode::Linear)
    }

    fn has_room(&self, mixture: &Mixture<'_>) -> bool {
        let fits = |(picture, _): &(&Arc<RgbImage>, Region)| {
            CropResize::has_room(&self.window.device, picture.dimensions(), mixture.side, 1)
        };
        mixture.parents.iter().all(fits)
    }

    /// A picture on the device: uploaded once.
    fn source(&mut self, picture: &Arc<RgbImage>) -> Result<wgpu::Texture> {
        if let Some((_, texture)) = self.sources.iter().find(|(of, _)| Arc::ptr_eq(of, picture)) {
            return Ok(texture.clone());
        }
        if self.sources.len() == KEPT {
            self.sources.remove(0);
        }
        let texture = CropResize::upload(&self.window.device, &self.window.queue, picture)?;
        self.sources.push((picture.clone(), texture.clone()));
        Ok(texture)
    }

    fn mixture(&mut self, mixture: &Mixture<'_>) -> Result<[Picture; 3]> {
        let Mixture { parents, mixing, side } = mixture;
        let sources = [self.source(parents[0].0)?, self.source(parents[1].0)?];
        let (device, numbers) = (&self.window.device, 3 * u64::from(*side) * u64::from(*side));
        let planes = [self.buffer(numbers), self.buffer(numbers)];
        let painted: [wgpu::Texture; 3] = std::array::from_fn(|_| Paint::texture(device, (*side, *side)));
        let mut encoder = self.encoder();
        for (((_, region), source), planes) in parents.iter().zip(&sources).zip(&planes) {
            let cut = Cut { regions: &[*region], side: *side, filter: Filter::Bilinear, normalisation: UNIT };
            self.cut.encode(device, &mut encoder, source, &cut, &planes.as_entire_binding())?;
        }
        let [a, b] = &planes;
        self.paint.encode_planes(device, &mut encoder, a, &painted[0]);
        self.paint.encode_planes(device, &mut encoder, b, &painted[1]);
        self.mix.encode(device, &mut encoder, mixing, (3, *side), [a, b]);
        self.paint.encode_planes(device, &mut encoder, a, &painted[2]);
        self.window.queue.submit([encoder.finish()]);
        let filter = if *side < SMALL { wgpu::FilterMode::Nearest } else { wgpu::FilterMode::Linear };
        Ok(painted.map(|texture| self.show(texture, filter)))
    }
}

#[cfg(test)]
mod tests {
    use egui_kittest::wgpu::{create_render_state, default_wgpu_setup};
    use ferkd_method::region::RegionSampler;
    use ferkd_method::rng::{Purpose, Stream};
    use ferkd_method::selfmix::Operator;
    use ferkd_shaders::pixels_of;

    use super::*;

    fn window() -> RenderState {
        create_render_state(default_wgpu_setup(), eframe::egui_wgpu::RendererOptions::PREDICTABLE)
    }

    fn painted(screen: &Screen, slot: &str) -> Vec<Vec<u8>> {
        let window = &screen.gpu.as_ref().unwrap().window;
        let pixels = |picture: &Picture| match picture {
            Picture::Painted(_, texture) => {
                pollster::block_on(pixels_of(&window.device, &window.queue, texture)).unwrap()
            }
            Picture::Drawn(_) => panic!("the CPU drew it"),
        };
        screen.kept[slot].1.iter().map(pixels).collect()
    }

    fn near(found: &[u8], expected: impl Iterator<Item = [u8; 4]>) {
        let expected: Vec<u8> = expected.flatten().collect();
        assert_eq!(found.len(), expected.len());
        let off = found.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(off <= Some(1), "{off:?}");
    }

    #[test]
    fn shaders_draw_what_the_cpu_draws() {
        let mut draw = Stream::new(4, Purpose::Scene, 0, 0);
        let mut picture = |w, h| {
            Arc::new(RgbImage::from_fn(w, h, |_, _| {
                image::Rgb(std::array::from_fn(|_| draw.below(256) as u8))
            }))
        };
        let (first, second) = (picture(90, 71), picture(64, 130));
        let regions = RegionSampler::new(3).regions(1, 12, 90, 71);
        let confidences: Vec<f32> = (0..12).map(|i| i as f32 / 11.0).collect();
        let ctx = Context::default();
        let mut screen = Screen::on(window());
        let HeatPicture { texture, grid } = screen.heat((90, 71), &regions, &confidences, &ctx);
        assert_eq!((grid.columns, grid.rows), (90, 71));
        assert_eq!(screen.heat((90, 71), &regions, &confidences, &ctx).texture, texture, "it is kept");
        let means = heat_map(&regions, &confidences, &grid);
        near(
            &painted(&screen, "heat")[0],
            means.into_iter().map(|mean| match mean.map(colour) {
                Some([r, g, b]) => [r, g, b, 255],
                None => [0; 4],
            }),
        );
        // Students see one of them mirrored.
        let a = Region { flip: true, ..regions[2] };
        let b = Region { flip: false, ..RegionSampler::new(4).region(2, 0, 64, 130) };
        for mixing in [Mixing { operator: Operator::Pixels, l: 0.3 }, Mixing::paste(12, 20, 14, 33)] {
            let mixture = Mixture { parents: [(&first, a), (&second, b)], mixing, side: 33 };
            let before = screen.mixture("here", &mixture, &ctx).unwrap();
            assert_eq!(screen.mixture("here", &mixture, &ctx).unwrap(), before);
            let cut =
                |picture: &RgbImage, region| crop_resize(picture, region, 33, Filter::Bilinear).unwrap();
            let (a, b) = (cut(&first, &a), cut(&second, &b));
            let mixed = mixed_picture(&a, &b, &mixing, 33);
            for (found, expected) in painted(&screen, "here").iter().zip([&a, &b, &mixed]) {
                near(found, expected.chunks(3).map(|rgb| [rgb[0], rgb[1], rgb[2], 255]));
            }
        }
        // A caller that asks for what is not in the picture gets an error, and nothing is drawn.
        let outside = Region { left: 80, ..regions[2] };
        let parents = [(&first, Region { width: 20, ..outside }), (&second, b)];
        let mixing = Mixing::paste(1, 1, 1, 33);
        assert!(screen.mixture("there", &Mixture { parents, mixing, side: 33 }, &ctx).is_err());
        let mut cpu = Screen::default();
        assert!(cpu.mixture("there", &Mixture { parents, mixing, side: 33 }, &ctx).is_err());
        assert!(screen.is_on_gpu() && !cpu.is_on_gpu());
        assert_eq!(cpu.heat((90, 71), &regions, &confidences, &ctx).grid.columns, 90);
    }
}

//! The shown picture as a texture, for every pane that draws it.

use std::sync::Arc;

use image::RgbImage;

use crate::dataset::Shown;

/// The picture as a texture; kept until another one is shown.
pub(crate) fn texture(shown: &Shown, picture: &Arc<RgbImage>, ctx: &egui::Context) -> egui::TextureHandle {
    let id = egui::Id::unique("shown picture");
    let key = (Arc::as_ptr(picture) as usize, shown.image);
    let kept: Option<((usize, u64), egui::TextureHandle)> = ctx.data(|data| data.get_temp(id));
    if let Some((of, texture)) = kept
        && of == key
    {
        return texture;
    }
    let size = [picture.width() as usize, picture.height() as usize];
    let pixels = egui::ColorImage::from_rgb(size, picture.as_raw());
    // Small pictures show their pixels, as the student meets them.
    let options = if size[0] < 128 { egui::TextureOptions::NEAREST } else { egui::TextureOptions::LINEAR };
    let texture = ctx.load_texture("shown picture", pixels, options);
    ctx.data_mut(|data| data.insert_temp(id, (key, texture.clone())));
    texture
}

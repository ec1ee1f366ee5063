//! What the examples draw with: a window of the plane in pixels, dots, lines, colours.

#![allow(dead_code, reason = "each example uses a part")]

use std::error::Error;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use tiny_skia::{
    Color, FillRule, LineCap, LineJoin, Paint, PathBuilder, Pixmap, Stroke, Transform,
};

#[path = "../../src/bin/genred/random.rs"]
pub(crate) mod random;

pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

/// Red, green and blue from 0 to 1.
pub(crate) type Rgb = [f32; 3];

/// Colours that are told apart easily, by Okabe and Ito.
pub(crate) const BLUE: Rgb = [0.0, 0.447, 0.698];
pub(crate) const ORANGE: Rgb = [0.902, 0.624, 0.0];
pub(crate) const GREEN: Rgb = [0.0, 0.62, 0.451];
pub(crate) const RED: Rgb = [0.835, 0.369, 0.0];
pub(crate) const GREY: Rgb = [0.45, 0.45, 0.48];

/// A colour nearer to white.
pub(crate) fn pale(colour: Rgb, share: f32) -> Rgb {
    colour.map(|c| 1.0 - share * (1.0 - c))
}

/// The colour of a value from 0 to 1, from dark to light.
pub(crate) fn heat(value: f32) -> Rgb {
    const STOPS: [Rgb; 6] = [
        [0.02, 0.02, 0.09],
        [0.25, 0.07, 0.42],
        [0.58, 0.15, 0.40],
        [0.88, 0.32, 0.23],
        [0.98, 0.65, 0.12],
        [0.99, 0.99, 0.75],
    ];
    let place = value.clamp(0.0, 1.0) * (STOPS.len() - 1) as f32;
    let k = (place as usize).min(STOPS.len() - 2);
    let share = place - k as f32;
    std::array::from_fn(|c| STOPS[k][c] * (1.0 - share) + STOPS[k + 1][c] * share)
}

/// Where the picture goes: the argument of the command, or its own name in the current folder.
pub(crate) fn path(name: &str) -> PathBuf {
    std::env::args_os().nth(1).map_or_else(|| name.into(), PathBuf::from)
}

/// A part of the plane, drawn.
pub(crate) struct Picture {
    pixmap: Pixmap,
    /// Left, bottom.
    corner: [f32; 2],
    /// Pixels to a unit, each way.
    scale: [f32; 2],
}

impl Picture {
    /// A white picture of the window from `corner` to `opposite`.
    pub(crate) fn new(size: [u32; 2], corner: [f32; 2], opposite: [f32; 2]) -> Outcome<Picture> {
        let mut pixmap = Pixmap::new(size[0], size[1]).ok_or("a picture without pixels")?;
        pixmap.fill(Color::WHITE);
        let scale = std::array::from_fn(|c| size[c] as f32 / (opposite[c] - corner[c]));
        Ok(Picture { pixmap, corner, scale })
    }

    /// The centre of every pixel, two numbers each, row by row from the top.
    pub(crate) fn centres(&self) -> Vec<f32> {
        let (width, height) = (self.pixmap.width(), self.pixmap.height());
        let x = |k: u32| self.corner[0] + (k as f32 + 0.5) / self.scale[0];
        let y = |k: u32| self.corner[1] + ((height - 1 - k) as f32 + 0.5) / self.scale[1];
        (0..height).flat_map(|r| (0..width).flat_map(move |c| [x(c), y(r)])).collect()
    }

    /// Give every pixel its colour, in the order of [`centres`](Picture::centres).
    pub(crate) fn fill(&mut self, colour: impl Fn(usize) -> Rgb) {
        for (k, pixel) in self.pixmap.data_mut().chunks_exact_mut(4).enumerate() {
            let bytes = colour(k).map(|c| (c * 255.0).round() as u8);
            pixel.copy_from_slice(&[bytes[0], bytes[1], bytes[2], 255]);
        }
    }

    /// A disc with a thin white rim.
    pub(crate) fn dot(&mut self, at: &[f32], radius: f32, colour: Rgb) {
        let [x, y] = self.place(at);
        for (radius, colour) in [(radius + 0.8, [1.0; 3]), (radius, colour)] {
            if let Some(disc) = PathBuilder::from_circle(x, y, radius) {
                let paint = paint(colour, 1.0);
                self.pixmap.fill_path(
                    &disc,
                    &paint,
                    FillRule::Winding,
                    Transform::identity(),
                    None,
                );
            }
        }
    }

    /// A line through points, two numbers each.
    pub(crate) fn line(&mut self, points: &[f32], width: f32, colour: Rgb, opacity: f32) {
        let mut builder = PathBuilder::new();
        for (k, point) in points.chunks_exact(2).enumerate() {
            let [x, y] = self.place(point);
            if k == 0 { builder.move_to(x, y) } else { builder.line_to(x, y) }
        }
        let stroke = Stroke {
            width,
            line_cap: LineCap::Round,
            line_join: LineJoin::Round,
            ..Stroke::default()
        };
        if let Some(line) = builder.finish() {
            let paint = paint(colour, opacity);
            self.pixmap.stroke_path(&line, &paint, &stroke, Transform::identity(), None);
        }
    }

    /// Write a PNG file of 5 bits a colour, which keeps it small.
    pub(crate) fn save(&self, path: &Path) -> Outcome<()> {
        let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        let file = File::create(path).map_err(|e| failed(&e))?;
        let (width, height) = (self.pixmap.width(), self.pixmap.height());
        let mut encoder = png::Encoder::new(BufWriter::new(file), width, height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_compression(png::Compression::High);
        let coarse = |byte: &u8| {
            let level = (u16::from(*byte) * 31 + 127) / 255;
            (level * 255 / 31) as u8
        };
        let bytes: Vec<u8> =
            self.pixmap.data().chunks_exact(4).flat_map(|p| p[..3].iter().map(coarse)).collect();
        let mut writer = encoder.write_header().map_err(|e| failed(&e))?;
        writer.write_image_data(&bytes).map_err(|e| failed(&e))?;
        writer.finish().map_err(|e| failed(&e).into())
    }

    fn place(&self, at: &[f32]) -> [f32; 2] {
        let place = |c: usize| (at[c] - self.corner[c]) * self.scale[c];
        [place(0), self.pixmap.height() as f32 - place(1)]
    }
}

fn paint(colour: Rgb, opacity: f32) -> Paint<'static> {
    let mut paint = Paint::default();
    if let Some(colour) = Color::from_rgba(colour[0], colour[1], colour[2], opacity) {
        paint.set_color(colour);
    }
    paint
}

// The map of one word over the picture: viridis, which grows evenly in
// lightness and is safe for colour-blind eyes; cold places are dimmed. Smooth
// between the patches, which adds no detail.

const viridis = [[68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141], [39, 173, 129], [92, 200, 99], [170, 220, 50], [253, 231, 37]];

function colour(v) {
  const at = v * (viridis.length - 1);
  const low = Math.min(Math.floor(at), viridis.length - 2);
  return [0, 1, 2].map((c) => viridis[low][c] + (at - low) * (viridis[low + 1][c] - viridis[low][c]));
}

/** The grid's value at (x, y), both from 0 to 1, linear between the centres of patches. */
export function sample(grid, x, y) {
  const rows = grid.length;
  const cols = grid[0].length;
  const fx = Math.min(Math.max(x * cols - 0.5, 0), cols - 1);
  const fy = Math.min(Math.max(y * rows - 0.5, 0), rows - 1);
  const [c, r] = [Math.floor(fx), Math.floor(fy)];
  const [c2, r2] = [Math.min(c + 1, cols - 1), Math.min(r + 1, rows - 1)];
  const top = grid[r][c] + (fx - c) * (grid[r][c2] - grid[r][c]);
  const bottom = grid[r2][c] + (fx - c) * (grid[r2][c2] - grid[r2][c]);
  return top + (fy - r) * (bottom - top);
}

/** Draws grid [rows][cols] over the whole canvas; its own maximum is always bright. */
export function paint(canvas, grid) {
  const { width, height } = canvas;
  const most = Math.max(...grid.flat()) || 1;
  const least = Math.min(...grid.flat());
  const context = canvas.getContext('2d');
  const image = context.createImageData(width, height);
  for (let y = 0, at = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, at += 4) {
      const v = (sample(grid, (x + 0.5) / width, (y + 0.5) / height) - least) / (most - least || 1);
      const rgb = colour(v);
      image.data.set([rgb[0], rgb[1], rgb[2], 125 + 65 * v], at);
    }
  }
  context.putImageData(image, 0, 0);
}

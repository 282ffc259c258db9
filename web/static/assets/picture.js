// Searching by a picture: choosing, dropping and pasting one, its chip, and
// how much it counts beside words.
import { $, show } from './dom.js';
import { pictureAddress, Problem } from './api.js';
import { hasPicture } from './query.js';
import * as crop from './crop.js';

const taken = /^image\/(jpeg|png|webp)$/; // what the API reads
const asIs = 2 * 1024 * 1024; // bytes; more is made smaller here, where it costs no upload
const side = 1280; // px; the models read at most 480

/**
 * The file in a form that the API takes. Large ones and other kinds that this
 * browser can read (GIF, AVIF, HEIC on some) become JPEG. Others are a Problem.
 */
export async function prepare(file) {
  if (taken.test(file.type) && file.size <= asIs) return held(file);
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Problem({ title: 'That is not a picture', detail: 'This browser cannot read it. Choose a JPEG, PNG or WebP file.' });
  }
  const scale = Math.min(1, side / Math.max(bitmap.width, bitmap.height));
  const canvas = new OffscreenCanvas(Math.max(1, Math.round(bitmap.width * scale)), Math.max(1, Math.round(bitmap.height * scale)));
  const context = canvas.getContext('2d');
  context.fillStyle = '#fff'; // transparent places would turn black
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const blob = await canvas.convertToBlob({ type: 'image/jpeg', quality: 0.92 });
  return new File([blob], file.name, { type: 'image/jpeg' });
}

// A copy in memory: going back to it must work after the file has changed or gone.
async function held(file) {
  try {
    return new File([await file.arrayBuffer()], file.name, { type: file.type });
  } catch {
    throw new Problem({ title: 'That picture cannot be read', detail: 'Has it been moved or deleted? Choose it again.' });
  }
}

/** Listens for pictures from everywhere; take(file) gets each, weigh(weight) the slider's. */
export function setUp({ take, weigh, remove }) {
  const pick = () => $('file').click();
  $('pick').addEventListener('click', pick);
  $('pick-too').addEventListener('click', pick);
  $('file').addEventListener('change', (e) => { if (e.target.files[0]) take(e.target.files[0]); e.target.value = ''; });
  $('chip-remove').addEventListener('click', remove);
  $('chip-image').addEventListener('error', () => { $('chip-image').hidden = true; });
  $('weight').addEventListener('input', () => { said(); weigh($('weight').valueAsNumber / 100); });
  document.addEventListener('paste', (e) => {
    const file = [...(e.clipboardData?.files ?? [])].find((f) => f.type.startsWith('image/'));
    if (file) { e.preventDefault(); take(file); }
  });
  const carries = (e) => [...(e.dataTransfer?.types ?? [])].includes('Files');
  document.addEventListener('dragover', (e) => { if (carries(e)) { e.preventDefault(); document.body.classList.add('dragging'); } });
  document.addEventListener('dragleave', (e) => { if (!e.relatedTarget) document.body.classList.remove('dragging'); });
  document.addEventListener('drop', (e) => {
    document.body.classList.remove('dragging');
    if (carries(e)) { e.preventDefault(); if (e.dataTransfer.files[0]) take(e.dataTransfer.files[0]); }
  });
}

// Browsers without object-view-box show the whole picture, which the words beside it make good.
function showPart(box) {
  const inset = (v) => `${(100 * v).toFixed(1)}%`;
  $('chip-image').style.objectViewBox = box ? `inset(${inset(box[1])} ${inset(1 - box[2])} ${inset(1 - box[3])} ${inset(box[0])})` : '';
}

function said() { $('weight-out').textContent = `${$('weight').value} %`; }

let shown = ''; // what the chip shows: an object URL is made once a picture

export function render(query) {
  const now = query.file ? `file ${query.picture}` : query.like;
  if (now !== shown) {
    if ($('chip-image').src.startsWith('blob:')) URL.revokeObjectURL($('chip-image').src);
    $('chip-image').hidden = false;
    if (query.file) $('chip-image').src = URL.createObjectURL(query.file);
    else if (query.like) $('chip-image').src = pictureAddress(query.like);
    else $('chip-image').removeAttribute('src');
    shown = now;
  }
  const name = query.file ? query.file.name || 'your picture' : query.likeTitle || query.like;
  $('chip-text').textContent = query.box ? `part of ${name}` : name;
  showPart(query.box);
  crop.render(query, { src: $('chip-image').src, name, key: now });
  show('composer', hasPicture(query));
  show('weight-row', Boolean(query.text));
  show('weight-hint', !query.text);
  if (document.activeElement !== $('weight')) $('weight').value = Math.round(query.weight * 100);
  said();
}

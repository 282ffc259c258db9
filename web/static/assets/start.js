// The start view: examples and a shelf, both from the catalogue at hand.
import { $, show, el, pictureOf, altAlone } from './dom.js';
import { items, pictureAddress } from './api.js';

const places = ['', 'D', 'H', 'L', 'P', 'T', 'e', 'n', 't']; // beginnings of ids, to see different parts of a catalogue
const shelf = 16; // two rows of eight, or four of four

let filled = false;

/** Fills the view once; a server that cannot list its items leaves it plain. */
export async function fill() {
  if (filled) return;
  filled = true;
  const pages = await Promise.allSettled(places.map((after) => items(after, 8)));
  if (pages.every((p) => p.status === 'rejected')) { filled = false; return; }
  const seen = new Map();
  const lists = pages.filter((p) => p.status === 'fulfilled').map((p) => p.value.items ?? []);
  for (let i = 0; i < 8; i += 1) for (const list of lists) if (list[i]) seen.set(list[i].id, list[i]);
  const all = [...seen.values()];
  const examples = [...new Set(lists.map(example).filter(Boolean))].slice(0, 5);
  $('examples').replaceChildren(...examples.map((text) => el('li', {}, el('a', { href: `?${new URLSearchParams({ q: text })}` }, text))));
  show('examples', examples.length > 0);
  $('shelf').replaceChildren(...all.slice(0, shelf).map((i) => el('li', { title: i.title || i.id }, el('a', {
    href: `?${new URLSearchParams({ like: i.id })}`, data: { id: i.id, title: i.title || i.id },
  }, pictureOf({ src: pictureAddress(i.id, 0, 256), alt: `Like ${altAlone(i, i.id)}`, width: 120, height: 120 }))))); // all that the link has: it says where it leads
  show('shelf', all.length > 0);
}

/** The title of one part of the catalogue that reads most like a search: some 28 letters. */
function example(list) {
  const far = (title) => Math.abs(title.length - 28);
  const titles = list.map((i) => (i.title ?? '').toLowerCase()).filter((t) => t && t.length <= 54);
  return titles.sort((a, b) => far(a) - far(b))[0];
}

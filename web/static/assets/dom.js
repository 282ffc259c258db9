// Small tools for the page's elements. Text from a catalogue goes in by
// textContent and plain properties only; the page's policy refuses the rest.

export const $ = (id) => document.getElementById(id);
export const show = (id, on) => { $(id).hidden = !on; };
export const calm = () => matchMedia('(prefers-reduced-motion: reduce)').matches;

/** el('p', {class: 'quiet'}, 'text', node): an element; null and false children are left out. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (name === 'class') node.className = value;
    else if (name === 'data') Object.assign(node.dataset, value);
    else if (name.includes('-') || name === 'role') node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

// Alternative texts, by WAI's decision tree (w3.org/WAI/tutorials/images). A
// caption says what the picture shows; a title often names the product only.
export const caption = (item) => [item?.alt, item?.caption, item?.attributes?.alt, item?.attributes?.caption].find((t) => typeof t === 'string' && t.trim())?.trim() ?? '';

/** Of a picture that stands alone, such as one that is a link by itself: caption, else title, else id. */
export const altAlone = (item, id) => caption(item) || item?.title || id;

/** Of a picture beside its title as text: that is read already, so only a caption that says more is an alternative; else none. */
export const altBeside = (item) => (caption(item) === item?.title ? '' : caption(item));

/** A picture that gives its place to words when it cannot be loaded. */
export function pictureOf(props) {
  const img = el('img', { decoding: 'async', ...props });
  img.addEventListener('error', () => img.replaceWith(lost(img.alt)), { once: true });
  return img;
}

const lost = (alt) => el('span', alt ? { class: 'lost', role: 'img', 'aria-label': `${alt} (picture not available)` } : { class: 'lost' }, 'picture not available');

/** Calls f once nothing has called it for ms; cancel() forgets a waiting call. */
export function debounce(f, ms) {
  let timer = 0;
  const later = (...args) => { clearTimeout(timer); timer = setTimeout(f, ms, ...args); };
  later.cancel = () => clearTimeout(timer);
  return later;
}

export function money(price, currency) {
  try {
    return new Intl.NumberFormat(undefined, { style: 'currency', currency }).format(price);
  } catch {
    return `${price} ${currency ?? ''}`.trim();
  }
}

export const percent = (p) => (p >= 0.995 ? '> 99 %' : p < 0.005 ? '< 1 %' : `${Math.round(p * 100)} %`);
export const ms = (v) => (v < 10 ? `${v.toFixed(1)} ms` : `${Math.round(v)} ms`);

/** The address if it is one of the web, else ''. */
export function webAddress(text) {
  try {
    const url = new URL(text);
    return /^https?:$/.test(url.protocol) ? url.href : '';
  } catch {
    return '';
  }
}

/** A name of a colour as a dot of that colour, or null when browsers do not know it. */
export function swatch(name) {
  if (!/^[a-z]+$/i.test(name) || !CSS.supports('color', name)) return null;
  const dot = el('span', { class: 'swatch', 'aria-hidden': 'true' });
  dot.style.backgroundColor = name;
  return dot;
}

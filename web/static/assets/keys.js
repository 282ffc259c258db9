// The keyboard: to the box, among the results, out again.
import { $, show } from './dom.js';

const bare = (e) => !e.ctrlKey && !e.metaKey && !e.altKey;
const typing = (target) => target.matches?.('input:not([type=checkbox]):not([type=radio]):not([type=range]), textarea, select');

/** on: {escape(), like(id), reorder()}; escape is asked when no dialog is open. */
export function setUp(on) {
  $('help-open').addEventListener('click', () => $('help').showModal());
  for (const dialog of document.querySelectorAll('dialog')) {
    dialog.addEventListener('click', (e) => { if (e.target === dialog) dialog.close(); });
  }
  document.addEventListener('keydown', (e) => {
    if (e.isComposing || e.defaultPrevented || document.querySelector('dialog[open]')) return;
    if (e.key === 'Escape') { e.preventDefault(); on.escape(); return; }
    if (!bare(e)) return;
    if (e.target === $('q') && e.key === 'ArrowDown') { e.preventDefault(); links()[0]?.focus(); return; }
    if (typing(e.target)) return;
    if (e.key === '/') { e.preventDefault(); $('q').focus(); $('q').select(); }
    else if (e.key === '?') { e.preventDefault(); $('help').showModal(); }
    else among(e, on);
  });
}

const links = () => [...$('results').querySelectorAll('.card:not(.skeleton) .open')];

function among(e, on) {
  const card = e.target.closest?.('.card');
  if (!card) return;
  if (e.key === 's') { e.preventDefault(); on.like(card.dataset.id, card.querySelector('.title').textContent); return; }
  if (e.key === 'r') { e.preventDefault(); on.reorder(); return; }
  const next = step(card.querySelector('.open'), e.key);
  if (next === undefined) return;
  e.preventDefault();
  if (next) { next.focus({ preventScroll: true }); next.closest('.card').scrollIntoView({ block: 'nearest' }); }
}

/** The link that a key leads to; null for the box above the first row; undefined for other keys. */
function step(from, key) {
  const all = links();
  const at = all.indexOf(from);
  const columns = Math.max(1, all.filter((a) => a.offsetParent && Math.abs(a.getBoundingClientRect().top - all[0].getBoundingClientRect().top) < 8).length);
  const to = { ArrowLeft: at - 1, ArrowRight: at + 1, ArrowUp: at - columns, ArrowDown: at + columns, Home: 0, End: all.length - 1 }[key];
  if (to === undefined) return undefined;
  if (to < 0 && key === 'ArrowUp') { $('q').focus(); return null; }
  return all[Math.min(Math.max(to, 0), all.length - 1)];
}

/** The sheet of filters on narrow pages; on wide ones it stands beside the results. */
export function sheet() {
  const narrow = matchMedia('(max-width: 60rem)');
  const set = (open) => {
    document.body.classList.toggle('refining', open);
    $('refine-open').setAttribute('aria-expanded', String(open));
    $('main').inert = open && narrow.matches;
    $('top').inert = open && narrow.matches;
  };
  $('refine-open').addEventListener('click', () => { set(true); $('refine-close').focus(); });
  $('refine-close').addEventListener('click', () => { set(false); $('refine-open').focus(); });
  narrow.addEventListener('change', () => set(false));
  return { close() { if (!document.body.classList.contains('refining')) return false; set(false); $('refine-open').focus(); return true; } };
}

/** What covers the page on a narrow one must be all that can be reached. */
export function cover() {
  const narrow = matchMedia('(max-width: 60rem)');
  const look = () => {
    const on = narrow.matches && !$('why').hidden;
    for (const id of ['top', 'main', 'refine']) if (!document.body.classList.contains('refining')) $(id).inert = on;
    document.body.classList.toggle('covered', on);
  };
  narrow.addEventListener('change', look);
  new MutationObserver(look).observe($('why'), { attributes: true, attributeFilter: ['hidden'] });
}

export function themeButton() {
  $('theme').addEventListener('click', () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
    root.dataset.theme = dark ? 'light' : 'dark';
    try { localStorage.setItem('theme', root.dataset.theme); } catch { /* storage is switched off: it holds until the page is left */ }
  });
}

export const showClear = () => show('clear', $('q').value !== '');

// Filters: brands, categories, colours and prices. The server counts them over
// the catalogue; where it has not, they are counted among the nearest hits.
import { $, show, el, money, swatch } from './dom.js';
import { facetFields, baseKey, filtered } from './query.js';

const titles = { brand: 'Brand', category: 'Category', color: 'Colour' };
const few = 6; // values that a group shows at first
const open = new Set(); // groups of which all are shown

// What an unfiltered answer had: with a filter in force the other values are
// not in the answer any more, and one could not add them.
let pool = { key: '', values: new Map(), prices: [], bounds: null };

function collect(hits) {
  const values = new Map(facetFields.map((f) => [f, new Map()]));
  const prices = [];
  for (const { item = {} } of hits) {
    for (const f of facetFields) if (item[f]) values.get(f).set(String(item[f]), (values.get(f).get(String(item[f])) ?? 0) + 1);
    if (Number.isFinite(item.price)) prices.push(item);
  }
  return { values, prices, bounds: null };
}

/** Puts the server's counts in place of those of hits; false where there are none. */
function count(counted) {
  const known = (f) => counted?.[f] && !counted[f].failed;
  for (const f of facetFields.filter(known)) pool.values.set(f, new Map(counted[f].values.map((v) => [String(v.value), v.count])));
  const numbers = known('price') ? counted.price.numbers : null;
  if (numbers?.count > 0) pool.bounds = [numbers.min, numbers.max];
  return facetFields.every(known);
}

/** Shows the filters for an answer with its facets. change(part) is called with the fields of the query that change. */
export function render(hits, counted, query, change) {
  const now = collect(hits);
  if (!filtered(query) || pool.key !== baseKey(query)) pool = { key: baseKey(query), ...now };
  $('facets-note').textContent = count(counted) ? 'Counts are of the whole catalogue.' : 'Counts are among the nearest found.';
  $('facets').replaceChildren(...facetFields.map((f) => group(f, query, change)), prices(query, change));
  // Items that tell of no product group have no variants to leave out.
  show('variants-row', Boolean(query.variants) || hits.some((h) => h.item?.group_id));
  show('facets-note', pool.prices.length > 0 || facetFields.some((f) => pool.values.get(f).size > 0));
}

function group(field, query, change) {
  const counts = new Map(pool.values.get(field));
  for (const chosen of query[field]) if (!counts.has(chosen)) counts.set(chosen, 0);
  if (counts.size < 2 && query[field].length === 0) return '';
  const all = [...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]));
  const seen = open.has(field) ? all : all.filter(([v], i) => i < few || query[field].includes(v));
  const rest = all.length - seen.length;
  const more = el('button', { type: 'button', class: 'link' }, open.has(field) ? 'Fewer' : `${rest} more`);
  more.addEventListener('click', () => { if (!open.delete(field)) open.add(field); more.parentElement.replaceWith(group(field, query, change)); });
  return el('fieldset', { class: 'group facet', data: { field } }, el('legend', {}, titles[field]),
    ...seen.map(([value, n]) => option(field, value, n, query, change)), rest > 0 || (open.has(field) && all.length > few) ? more : null);
}

function option(field, value, n, query, change) {
  const box = el('input', { type: 'checkbox', checked: query[field].includes(value), value });
  box.addEventListener('change', () => change({
    [field]: box.checked ? [...query[field], value] : query[field].filter((v) => v !== value),
  }));
  const levels = value.split(' > ');
  return el('label', { class: 'option', title: value }, box, field === 'color' ? swatch(value) : null,
    el('span', { class: 'value' }, field === 'category' ? levels.at(-1) : value), n > 0 && el('span', { class: 'n' }, String(n)));
}

function prices(query, change) {
  if (pool.prices.length < 2 && query.min === null && query.max === null) return '';
  const all = pool.prices.map((i) => i.price);
  const [least, most] = [Math.floor(Math.min(...all)), Math.ceil(Math.max(...all))]; // of what the bars show
  const [lowest, highest] = pool.bounds ? [Math.floor(pool.bounds[0]), Math.ceil(pool.bounds[1])] : [least, most];
  const bound = (side, hint, label) => {
    const input = el('input', { type: 'number', class: 'field', min: 0, step: 'any', value: query[side] ?? '', placeholder: Number.isFinite(hint) ? String(hint) : '', 'aria-label': label, inputMode: 'decimal', id: `price-${side}` });
    input.addEventListener('change', () => change({ [side]: input.value === '' || !Number.isFinite(input.valueAsNumber) ? null : input.valueAsNumber }));
    return input;
  };
  return el('fieldset', { class: 'group' }, el('legend', {}, 'Price'), histogram(all, least, most, query),
    el('div', { class: 'range' }, bound('min', lowest, 'Lowest price'), el('span', { 'aria-hidden': 'true' }, '–'), bound('max', highest, 'Highest price')));
}

function histogram(all, least, most, query) {
  if (!(most > least)) return null;
  const bins = new Array(14).fill(0);
  const width = (most - least) / bins.length;
  for (const p of all) bins[Math.min(bins.length - 1, Math.floor((p - least) / width))] += 1;
  const top = Math.max(...bins);
  return el('div', { class: 'histogram', 'aria-hidden': 'true' }, bins.map((n, i) => {
    const middle = least + (i + 0.5) * width;
    const bar = el('span', { class: (query.min ?? -Infinity) <= middle && middle <= (query.max ?? Infinity) ? '' : 'off' });
    bar.style.height = `${Math.max(4, (100 * n) / top)}%`;
    return bar;
  }));
}

/** What is in force, as chips; each takes itself away. */
export function chips(query, change) {
  const list = facetFields.flatMap((f) => query[f].map((v) => [`${titles[f]}: ${v}`, { [f]: query[f].filter((x) => x !== v) }]));
  const currency = pool.prices[0]?.currency;
  if (query.min !== null) list.push([`from ${money(query.min, currency)}`, { min: null }]);
  if (query.max !== null) list.push([`up to ${money(query.max, currency)}`, { max: null }]);
  if (query.less) list.push([`less “${query.less}”`, { less: '' }]);
  if (query.variants) list.push(['one of each product', { variants: '' }]);
  if (query.good && query.text) list.push(['only good matches', { good: false }]);
  const nodes = list.map(([text, part]) => {
    const remove = el('button', { type: 'button', 'aria-label': `Remove ${text}` }, '×');
    remove.addEventListener('click', () => change(part));
    return el('li', {}, el('span', {}, text), remove);
  });
  $('active').replaceChildren(...nodes);
  show('active', nodes.length > 0);
  $('refine-open').textContent = nodes.length > 0 ? `Refine (${nodes.length})` : 'Refine';
}

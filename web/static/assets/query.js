// What is searched for: its place in the address bar, and its form for the API.

export const facetFields = ['brand', 'category', 'color'];
const names = { brand: 'brand', category: 'category', color: 'colour' };

// Pictures cannot go into an address; history keeps a number, this keeps the file.
const files = new Map();

export function keepFile(file) {
  const number = files.size + 1;
  files.set(number, file);
  return number;
}

const price = (text) => (text !== null && text !== '' && Number.isFinite(Number(text)) ? Number(text) : null);

// A box is [left, top, right, bottom] in fractions of the picture, or null for all of it.
export const leastBox = 0.05; // of a side

/** The box of a text such as "0.1,0.2,0.5,0.9"; null where it is none. */
export function readBox(text) {
  const edges = (text ?? '').split(',').map((t) => (t.trim() === '' ? NaN : Number(t)));
  const fits = edges.length === 4 && edges.every((e) => e >= 0 && e <= 1) && edges[2] > edges[0] && edges[3] > edges[1];
  return fits && edges.some((e, i) => e !== (i < 2 ? 0 : 1)) ? edges : null;
}

/** The query of the address bar; history's state adds what an address cannot hold. */
export function read(search, state) {
  const at = new URLSearchParams(search);
  const weight = Number(at.get('weight') ?? 0.5);
  const file = files.get(state?.picture) ?? null;
  const like = at.get('like') ?? '';
  return {
    text: (at.get('q') ?? '').trim(), like, likeTitle: state?.likeTitle ?? '',
    picture: file ? state.picture : 0, file, box: file ? readBox(state.box) : like ? readBox(at.get('box')) : null,
    weight: weight >= 0 && weight <= 1 ? weight : 0.5, less: (at.get('less') ?? '').trim(),
    order: at.get('order') === 'itc' || at.get('rerank') === 'off' ? 'itc' : 'itm', good: at.get('good') === 'on',
    variants: at.get('variants') === 'one' ? 'one' : '',
    brand: at.getAll('brand'), category: at.getAll('category'), color: at.getAll('colour'),
    min: price(at.get('min')), max: price(at.get('max')),
    why: at.get('why') ?? '', word: at.get('word') === null ? null : Number(at.get('word')),
  };
}

/** The address of a query, relative to the page. */
export function address(q) {
  const at = new URLSearchParams();
  if (q.text) at.set('q', q.text);
  if (q.like) at.set('like', q.like);
  if (q.like && q.box) at.set('box', q.box.join(',')); // of an upload it is in history's state, as the picture is
  if (q.text && hasPicture(q) && q.weight !== 0.5) at.set('weight', q.weight);
  if (q.less) at.set('less', q.less);
  for (const field of facetFields) for (const value of q[field]) at.append(names[field], value);
  if (q.min !== null) at.set('min', q.min);
  if (q.max !== null) at.set('max', q.max);
  if (q.good) at.set('good', 'on');
  if (q.variants) at.set('variants', q.variants);
  if (q.order === 'itc') at.set('order', 'itc');
  if (q.why) at.set('why', q.why);
  if (q.why && q.word !== null) at.set('word', q.word);
  return at.size ? `?${at}` : './';
}

export const hasPicture = (q) => Boolean(q.file || q.like);
export const isEmpty = (q) => !q.text && !hasPicture(q);
export const filtered = (q) => facetFields.some((f) => q[f].length > 0) || q.min !== null || q.max !== null;
export const noFilters = { brand: [], category: [], color: [], min: null, max: null };
export const none = { text: '', like: '', likeTitle: '', picture: 0, file: null, box: null, weight: 0.5, less: '', why: '', word: null, ...noFilters };

/** Equal for queries without filters that are alike: what facets are remembered by. */
export const baseKey = (q) => JSON.stringify([q.text, q.like, q.picture, q.box, hasPicture(q) && q.text ? q.weight : 0, q.less]);
/** Equal for queries with one answer, whatever its order. */
export const key = (q) => JSON.stringify([baseKey(q), q.brand, q.category, q.color, q.min, q.max, usesGood(q), q.variants]);
/** "Only good matches" is for words: matches with a picture are not calibrated. */
export const usesGood = (q) => q.good && Boolean(q.text);

export function describe(q) {
  const name = q.likeTitle || q.like;
  const whole = q.file ? 'your picture' : q.like ? `the picture of “${name.length > 40 ? `${name.slice(0, 38)}…` : name}”` : '';
  const picture = whole && q.box ? `a part of ${whole}` : whole;
  const words = q.text ? `“${q.text}”` : '';
  return (words && picture ? `${words} with ${picture}` : words || picture) + (q.less ? `, less “${q.less}”` : '');
}

/** The filter in its text form (docs/filters.md), which JSON, forms and links take alike. */
export function filter(q) {
  const parts = [];
  for (const field of facetFields) {
    const values = q[field].map((v) => JSON.stringify(v));
    if (values.length === 1) parts.push(`${field} = ${values[0]}`);
    else if (values.length > 1) parts.push(`${field} IN (${values.join(', ')})`);
  }
  if (q.min !== null) parts.push(`price >= ${q.min}`);
  if (q.max !== null) parts.push(`price <= ${q.max}`);
  return parts.join(' AND ');
}

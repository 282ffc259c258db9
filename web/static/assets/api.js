// Calls to the REST API. Addresses are relative: the page may live under a prefix.
import { facetFields, filter, usesGood } from './query.js';

/** A refusal or a failure, in words a person can use. wait is in seconds. */
export class Problem extends Error {
  constructor({ title, detail, errors = [], status = 0, requestID = '', wait = 0 }) {
    super(title);
    Object.assign(this, { title, detail, errors, status, requestID, wait });
  }
}

const titles = {
  401: 'This server asks for a key',
  403: 'That is not allowed here',
  404: 'That is not here',
  408: 'The upload took too long',
  413: 'That picture is too large',
  415: 'That kind of file cannot be searched by',
  422: 'That cannot be searched for',
  429: 'Too many searches at once',
  501: 'This server cannot do that',
  503: 'Not ready yet',
  500: 'That did not work',
  504: 'The search took too long',
};

const longest = 40_000; // ms; the server's own limit of a search is 30 s

let signIn = null; // asks for a key; resolves to true once there is one

/** f is called on 401; calls that met it are repeated once f resolves to true. */
export function whenSignedOut(f) { signIn = f; }

async function send(path, options) {
  const limit = AbortSignal.timeout(longest);
  const signal = options.signal ? AbortSignal.any([options.signal, limit]) : limit;
  try {
    return await fetch(path, { ...options, signal });
  } catch (err) {
    if (options.signal?.aborted) throw err;
    if (err.name === 'TimeoutError') throw new Problem({ title: 'No answer', detail: `The search service has not answered for ${longest / 1000} seconds.` });
    if (!navigator.onLine) throw new Problem({ title: 'You are offline', detail: 'The search goes on as soon as there is a network again.' });
    throw new Problem({ title: 'No answer', detail: 'The search service cannot be reached. Is it still running?' });
  }
}

async function signedIn(path, options) {
  const response = await send(path, options);
  return response.status === 401 && signIn && !options.noSignIn && await signIn() ? send(path, options) : response;
}

/** One call; the JSON of its answer, or a Problem. */
export async function call(path, options = {}) {
  const response = await signedIn(path, options);
  const body = await response.json().catch((err) => { if (options.signal?.aborted) throw err; return null; });
  if (response.ok && body) return body;
  throw new Problem({
    title: titles[response.status] ?? 'Something went wrong',
    detail: body?.detail ?? `The service answered with status ${response.status}.`,
    errors: Array.isArray(body?.errors) ? body.errors : [],
    status: response.status,
    requestID: body?.request_id ?? '',
    wait: Number(response.headers.get('Retry-After')) || 0,
  });
}

export const post = (path, body, signal, more) => call(path, {
  method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body), signal, ...more,
});

// Counts of a field leave the query's own conditions on it out: what else one could choose.
const facets = [...facetFields.map((field) => ({ field, limit: 50, multi: true })), { field: 'price', multi: true }];

/** A query as query.js reads it, with the second look or without; page: {limit, offset}. */
export async function search(q, look, page, signal) {
  const file = q.file || (q.box && await pictureFile(q.like, signal));
  if (file) return call('v1/search', { method: 'POST', body: form(q, file, look, page), signal });
  const body = { ...page, rerank: { enabled: look } };
  if (page.offset === 0) body.facets = facets;
  if (q.text) body.text = q.text;
  if (q.like) body.image = q.text ? { id: q.like, weight: q.weight } : { id: q.like };
  if (q.less) body.negative = q.less;
  if (filter(q)) body.filter = filter(q);
  if (q.variants === 'one') body.group_by = 'group_id';
  if (usesGood(q) && look) body.min_match = 0.5;
  return post('v1/search', body, signal);
}

let held = { id: '', file: null }; // a box is moved many times over one picture

/** An item's picture to be sent: the API takes a box with a picture that is sent, not with an id. */
async function pictureFile(id, signal) {
  if (held.id === id) return held.file;
  const response = await signedIn(pictureAddress(id), { signal });
  if (!response.ok) throw new Problem({ title: 'That picture is not here', detail: 'The item has no picture to take a part of.', status: response.status });
  held = { id, file: await response.blob() };
  return held.file;
}

// As a picture that is sent an item's would find itself: it is left out, as it is by its id.
const others = (q) => [q.like && `id != ${JSON.stringify(q.like)}`, filter(q)].filter(Boolean).join(' AND ');

function form(q, file, look, page) {
  const fields = { limit: page.limit, offset: page.offset, rerank: look };
  if (q.text) Object.assign(fields, { text: q.text, image_weight: q.weight });
  if (q.less) fields.negative = q.less;
  if (q.box) fields.image_box = q.box.join(',');
  if (others(q)) fields.filter = others(q);
  if (q.variants === 'one') fields.group_by = 'group_id';
  if (usesGood(q) && look) fields.min_match = 0.5;
  if (page.offset === 0) fields.facets = JSON.stringify(facets);
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) data.set(name, String(value));
  data.set('image', file); // last: the server reads parts in order
  return data;
}

const itemPath = (id) => `v1/items/${encodeURIComponent(id)}`;
/** Of the main picture, or of the view-th further one. */
export const pictureAddress = (id, view = 0, width = 0) => {
  const wanted = new URLSearchParams();
  if (view > 0) wanted.set('view', view);
  if (width > 0) wanted.set('width', width);
  return `${itemPath(id)}/image${wanted.size ? `?${wanted}` : ''}`;
};
export const item = (id, signal) => call(itemPath(id), { signal });
export const similar = (id, limit, signal) => call(`${itemPath(id)}/similar?limit=${limit}`, { signal });
export const explain = (text, id, view, signal) => post('v1/explain', { text, id, view }, signal);
export const evaluations = (signal) => call('v1/evaluations', { signal });
export const evaluation = (name, signal) => call(`v1/evaluations/${encodeURIComponent(name)}`, { signal });
export const items = (after, limit) => call(`v1/items?${new URLSearchParams({ limit, ...(after ? { after } : {}) })}`);

// Calls to the REST API. Addresses are relative: the page may live under a prefix.

/** A refusal or a failure, in words a person can use. */
export class Problem extends Error {
  constructor({ title, detail, errors = [], status = 0, requestID = '', wait = 0 }) {
    super(title);
    Object.assign(this, { title, detail, errors, status, requestID, wait });
  }
}

const titles = {
  404: 'That is not here',
  408: 'The upload took too long',
  413: 'That picture is too large',
  415: 'That kind of file cannot be searched by',
  422: 'That cannot be searched for',
  429: 'Too many searches at once',
  503: 'Not ready yet',
  500: 'That did not work',
  504: 'The search took too long',
};

async function call(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (err) {
    if (err.name === 'AbortError') throw err;
    throw new Problem({ title: 'No answer', detail: 'The search service cannot be reached. Is it still running?' });
  }
  const body = await response.json().catch(() => null);
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

/** query: {text | like | file, rerank, good}; page: {limit, offset}. */
export function search(query, page, signal) {
  if (query.file) {
    const form = new FormData();
    form.set('limit', page.limit);
    form.set('offset', page.offset);
    form.set('rerank', String(query.rerank));
    form.set('image', query.file);
    return call('v1/search', { method: 'POST', body: form, signal });
  }
  if (query.like) {
    return call(`v1/items/${encodeURIComponent(query.like)}/similar?limit=${page.limit}&offset=${page.offset}`, { signal });
  }
  const body = { text: query.text, limit: page.limit, offset: page.offset, rerank: { enabled: query.rerank } };
  if (query.good && query.rerank) body.min_match = 0.5;
  return call('v1/search', {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body), signal,
  });
}

/** The title of one item, or its id when there is none to be had. */
export async function titleOf(id) {
  try {
    return (await call(`v1/items/${encodeURIComponent(id)}`)).title || id;
  } catch {
    return id;
  }
}

export const pictureAddress = (id) => `v1/items/${encodeURIComponent(id)}/image`;

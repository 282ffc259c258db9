// Shows openapi.json. Text goes in by textContent only; the page's policy
// refuses anything else. Nothing is fetched from elsewhere.
const $ = (id) => document.getElementById(id);
const methods = ['get', 'post', 'put', 'patch', 'delete'];
let doc;

function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name === 'class') node.className = value;
    else if (name.includes('-')) node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== ''));
  return node;
}

function deref(v) {
  for (let hops = 0; v?.$ref && hops < 9; hops++) v = v.$ref.slice(2).split('/').reduce((at, name) => at[name.replaceAll('~1', '/').replaceAll('~0', '~')], doc);
  return v;
}

const text = (v) => (typeof v === 'string' ? v : JSON.stringify(v, null, 2));

/** What a schema is, in a few words. */
function kind(s) {
  if (s.$ref) return s.$ref.split('/').pop();
  if (s.anyOf?.some((a) => a.type || a.$ref)) return s.anyOf.map(kind).join(' or ');
  const type = [].concat(s.type ?? (s.contentMediaType ? 'file' : 'any')).join(' or ');
  return type.startsWith('array') && s.items ? `list of ${kind(s.items)}` : type;
}

function limits(s) {
  const out = [];
  if (s.format) out.push(s.format);
  if (s.minimum !== undefined || s.maximum !== undefined) out.push(`${s.minimum ?? '…'} to ${s.maximum ?? '…'}`);
  if (s.maxLength) out.push(`at most ${s.maxLength} bytes`);
  if (s.maxItems) out.push(`at most ${s.maxItems}`);
  if (s.enum) out.push(s.enum.map((v) => JSON.stringify(v)).join(', '));
  if (s.pattern) out.push(s.pattern);
  if (s.default !== undefined) out.push(`default ${JSON.stringify(s.default)}`);
  return out.join('; ');
}

function line(name, s, must) {
  const full = deref(s);
  return el('li', {}, el('code', {}, name), ' ', el('span', { class: 'soft' }, kind(s), limits(full) && `; ${limits(full)}`),
    must ? el('span', { class: 'must' }, ' required') : '', full.description ? ` – ${full.description}` : '');
}

/** The members of an object, nested ones folded. */
function members(s, depth = 0) {
  let full = deref(s);
  if (full?.items) full = deref(full.items);
  if (full?.anyOf && !full.properties) full = full.anyOf.map(deref).find((a) => a.properties) ?? full;
  if (!full?.properties || depth > 4) return '';
  return el('ul', {}, Object.entries(full.properties).map(([name, p]) => {
    const item = line(name, p, full.required?.includes(name));
    const below = members(p, depth + 1);
    if (below) item.append(el('details', {}, el('summary', { class: 'soft' }, 'its members'), below));
    return item;
  }));
}

function contents(content) {
  return Object.entries(content ?? {}).map(([media, c]) => {
    const examples = c.example !== undefined ? [c.example] : Object.values(c.examples ?? {}).map((e) => e.value);
    return el('div', {}, el('p', {}, el('code', {}, media), ' ', el('span', { class: 'soft' }, c.schema ? kind(c.schema) : c['x-line-schema'] ? `${kind(c['x-line-schema'])} a line` : '')),
      members(c.schema ?? {}), examples.map((e) => el('pre', { tabIndex: 0 }, text(e))));
  });
}

const base = () => location.href.replace(/\/docs([?#].*)?$/, '');
const quote = (v) => `'${v.replaceAll("'", "'\\''")}'`;

/** The address with the values of the inputs, or with examples. */
function address(path, params, value) {
  const query = new URLSearchParams();
  for (const p of params) {
    const v = value(p);
    if (p.in === 'path') path = path.replace(`{${p.name}}`, encodeURIComponent(v || p.name.toUpperCase()));
    else if (p.in === 'query' && v) query.set(p.name, v);
  }
  return base() + path + (query.size ? `?${query}` : '');
}

function curl(method, path, op, params) {
  const first = Object.entries(op.requestBody?.content ?? {})[0];
  const to = address(path, params, (p) => String(p.example ?? (p.name === 'q' ? 'red shoe' : '')));
  const parts = [`curl${method === 'get' ? '' : ` -X ${method.toUpperCase()}`} ${quote(to)}`];
  if (op['x-scopes']) parts.push('-H "Authorization: Bearer $KEY"');
  if (first) {
    const [media, c] = first;
    const example = c.example ?? Object.values(c.examples ?? {})[0]?.value;
    parts.push(`-H ${quote(`Content-Type: ${media}`)}`, `--data-binary ${quote(typeof example === 'string' ? example : JSON.stringify(example ?? {}))}`);
  }
  return parts.join(' \\\n  ');
}

function copy(what) {
  const button = el('button', { type: 'button' }, 'Copy');
  button.onclick = async () => {
    try {
      await navigator.clipboard.writeText(what);
      button.textContent = 'Copied';
    } catch { button.textContent = 'Select and copy it'; } // not allowed over plain HTTP beyond loopback
    setTimeout(() => { button.textContent = 'Copy'; }, 1500);
  };
  return button;
}

/** Inputs for the parameters, and a button that sends the request. */
function trial(path, params) {
  const inputs = new Map(params.filter((p) => p.in !== 'header').map((p) => [p.name, el('input', { value: p.example ?? '', 'aria-label': p.name, placeholder: String(p.schema?.default ?? '') })]));
  const out = el('div', { role: 'status' });
  const form = el('form', {}, [...inputs].map(([name, input]) => el('label', { class: 'pair' }, el('code', {}, name), input)), el('button', {}, 'Send'), out);
  form.onsubmit = async (event) => {
    event.preventDefault();
    const to = address(path, params, (p) => inputs.get(p.name)?.value ?? '');
    const began = performance.now();
    try {
      const res = await fetch(to, { headers: $('key').value ? { Authorization: `Bearer ${$('key').value}` } : {} });
      const head = el('p', {}, el('code', {}, `${res.status} ${res.statusText}`), ` ${res.headers.get('Content-Type') ?? ''}, ${Math.round(performance.now() - began)} ms`);
      out.replaceChildren(head, await shown(res));
    } catch (err) { out.replaceChildren(el('p', { class: 'must' }, String(err))); }
  };
  return form;
}

const most = 100000; // characters; an export may be long

const patience = 5000; // milliseconds that a live stream is read

/** What comes of a stream in a while: it may have no end. */
async function begun(res) {
  const reader = res.body.pipeThrough(new TextDecoderStream()).getReader();
  const timer = setTimeout(() => reader.cancel(), patience);
  let out = '';
  for (let part = await reader.read(); !part.done && out.length < most; part = await reader.read()) out += part.value;
  clearTimeout(timer);
  reader.cancel().catch(() => {}); // it may have ended by itself
  return out;
}

async function shown(res) {
  const media = res.headers.get('Content-Type') ?? '';
  if (media.startsWith('image/')) {
    const blob = await res.blob();
    return el('p', { class: 'soft' }, `${blob.size} bytes`);
  }
  const body = media.startsWith('text/event-stream') ? await begun(res) : await res.text();
  let pretty = body;
  if (media.includes('json') && !media.includes('ndjson')) try { pretty = JSON.stringify(JSON.parse(body), null, 2); } catch { /* as it came */ }
  return el('pre', { tabIndex: 0 }, pretty.length > most ? `${pretty.slice(0, most)} …` : pretty);
}

function fill(box, method, path, op) {
  const params = (op.parameters ?? []).map(deref);
  const command = curl(method, path, op, params);
  const scopes = op['x-scopes'];
  box.append(
    el('p', {}, op.description ?? ''), scopes ? el('p', { class: 'soft' }, `Scope of the key: ${scopes.join(' or ')}`) : '',
    params.length ? el('h3', {}, 'Parameters') : '',
    el('ul', {}, params.map((p) => line(`${p.name}${p.in === 'query' ? '' : ` (${p.in})`}`, { ...p.schema, description: p.description }, p.required))),
    op.requestBody ? el('h3', {}, 'Body') : '', contents(op.requestBody?.content),
    el('h3', {}, 'With curl'), el('pre', { tabIndex: 0 }, command), copy(command),
    el('h3', {}, 'Answers'), Object.entries(op.responses).map(([status, r]) => {
      const full = deref(r);
      return el('details', { open: false }, el('summary', {}, el('code', {}, status), ` ${full.description}`),
        el('p', { class: 'soft' }, 'Headers: ', Object.keys(full.headers ?? {}).join(', ')), contents(full.content));
    }));
  if (method === 'get') box.append(el('details', {}, el('summary', {}, 'Try it'), trial(path, params)));
}

function operation(method, path, op) {
  const box = el('div');
  const node = el('details', { class: 'op', id: op.operationId },
    el('summary', {}, el('b', { class: `m ${method.toUpperCase()}` }, method.toUpperCase()), el('code', {}, path), ` ${op.summary}`), box);
  node.ontoggle = () => { if (node.open && !box.hasChildNodes()) fill(box, method, path, op); };
  const words = `${method} ${path} ${JSON.stringify(op)} ${JSON.stringify((op.parameters ?? []).map(deref))} ${bodyWords(op)}`.toLowerCase();
  const link = el('a', { href: `#${op.operationId}` }, el('b', { class: `m ${method.toUpperCase()}` }, method.toUpperCase()), op.summary);
  return { node, link, words, tag: op.tags[0] };
}

const bodyWords = (op) => Object.values(op.requestBody?.content ?? {}).map((c) => JSON.stringify(deref(c.schema) ?? {})).join(' ');

function find(all) {
  const wanted = $('find').value.toLowerCase().split(/\s+/).filter(Boolean);
  let n = 0;
  for (const o of all) {
    const on = wanted.every((w) => o.words.includes(w));
    o.node.hidden = o.link.hidden = !on;
    n += on;
  }
  for (const h of document.querySelectorAll('[data-tag]')) h.hidden = !all.some((o) => o.tag === h.dataset.tag && !o.node.hidden);
  $('count').textContent = `${n} of ${all.length} operations`;
}

function goTo() {
  const node = $(decodeURIComponent(location.hash.slice(1)));
  if (!node?.classList.contains('op')) return;
  node.open = true;
  node.scrollIntoView();
}

async function start() {
  doc = await (await fetch('openapi.json')).json();
  $('about').textContent = doc.info.description;
  const all = Object.entries(doc.paths).flatMap(([path, item]) => methods.filter((m) => item[m]).map((m) => operation(m, path, item[m])));
  const parts = doc.tags.map((tag) => {
    const own = all.filter((o) => o.tag === tag.name);
    const heading = () => el('h2', { 'data-tag': tag.name }, tag.name);
    return [[heading(), tag.description ? el('p', { class: 'soft', 'data-tag': tag.name }, tag.description) : '', own.map((o) => o.node)].flat(), [heading(), ...own.map((o) => o.link)]];
  });
  $('main').replaceChildren(...parts.flatMap((p) => p[0]).filter((n) => n !== ''));
  $('list').replaceChildren(...parts.flatMap((p) => p[1]));
  $('find').oninput = () => find(all);
  document.onkeydown = (e) => {
    if (e.key === '/' && !e.target.closest('input')) { e.preventDefault(); $('find').focus(); }
  };
  window.onhashchange = goTo;
  find(all);
  goTo();
}

start().catch((err) => $('main').replaceChildren(el('p', { class: 'must' }, `The description cannot be read: ${err}`)));

// Changes of jobs as they happen (server-sent events). EventSource cannot send
// headers; where keys are asked for, the cookie of the page's session goes along.

/**
 * Follows the events after one. on: event(e) for each, state(live) whenever the
 * stream opens or breaks. Where it breaks, the browser comes again by itself with
 * the last event it has had; where it is refused, nobody does and done() is
 * called. Returns a function that ends it.
 */
export function follow(after, on) {
  const source = new EventSource(`v1/jobs/events?after=${after}`);
  source.addEventListener('open', () => on.state(true));
  source.addEventListener('message', (m) => on.event(JSON.parse(m.data)));
  source.addEventListener('error', () => {
    on.state(false);
    if (source.readyState === EventSource.CLOSED) on.done();
  });
  return () => source.close();
}

/** Questions to the operator. Its answers have ETags: a browser asks again by them by itself. */

const TIMEOUT_MS = 30_000;
/** Until a stream that the operator refused is asked for again. */
const AGAIN_MS = 5_000;

/** The page's address, whose query is what is shown. */
export const address = { read: () => location.search, of: (query) => `?${query}` };

/** Of a page that is a file: when it was written. */
export const written = "";

/** What went wrong, in words for a person. */
export class Problem extends Error {
  constructor(text, status) {
    super(text);
    this.status = status;
  }
}

/** Return the answer's text. */
export async function askText(path, query) {
  let answer;
  try {
    answer = await fetch(`api/v1/${path}?${new URLSearchParams(query)}`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    const text = await answer.text();
    if (answer.ok) return text;
    throw new Problem(reason(text) ?? `the operator answers ${answer.status}`, answer.status);
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem("The operator does not answer: is it still forwarded?", 0);
  }
}

/** Return the answer's value. */
export async function ask(path, query) {
  return JSON.parse(await askText(path, query));
}

/** Call back with whether the operator is heard, and whenever its map is another. A page that nobody sees hears nothing:
 * a browser has six connections to a server, for all its tabs and for the pages that Back would show. */
export function listen(onHeard, onChange) {
  let stream = null;
  let again = 0;
  let last = null;
  const open = () => {
    stream = new EventSource("api/v1/changes");
    stream.addEventListener("open", () => onHeard(true));
    stream.addEventListener("error", () => {
      onHeard(false);
      if (stream.readyState === EventSource.CLOSED) again = setTimeout(open, AGAIN_MS);
    });
    stream.addEventListener("change", (event) => {
      if (event.lastEventId !== last) onChange();
      last = event.lastEventId;
    });
  };
  const close = () => {
    clearTimeout(again);
    stream?.close();
    stream = null;
  };
  const follow = () => (document.hidden ? close() : (stream ?? open()));
  document.addEventListener("visibilitychange", follow);
  follow();
}

function reason(text) {
  try {
    return JSON.parse(text).error;
  } catch {
    return undefined;
  }
}

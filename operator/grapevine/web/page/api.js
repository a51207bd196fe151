/** Questions to the operator. Its answers have ETags: a browser asks again by them by itself. */

const TIMEOUT_MS = 30_000;

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

/** Call back with whether the operator is heard, and whenever its map is another. */
export function listen(onHeard, onChange) {
  const stream = new EventSource("api/v1/changes");
  let last = null;
  stream.addEventListener("open", () => onHeard(true));
  stream.addEventListener("error", () => {
    onHeard(false);
    if (stream.readyState === EventSource.CLOSED) setTimeout(() => listen(onHeard, onChange), 5_000);
  });
  stream.addEventListener("change", (event) => {
    if (event.lastEventId !== last) onChange();
    last = event.lastEventId;
  });
}

function reason(text) {
  try {
    return JSON.parse(text).error;
  } catch {
    return undefined;
  }
}

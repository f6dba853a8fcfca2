/**
 * QuickJS has no URL, and the interpreter of schemas resolves references with one. All of ours are fragments of one
 * document (others are refused before), so this much of it is enough.
 */
class LocalUrl {
  #base: string;
  #fragment: string;

  constructor(reference: unknown, base?: unknown) {
    const text = String(reference);
    const at = text.indexOf('#');
    const before = at < 0 ? text : text.slice(0, at);
    this.#base = before === '' ? (String(base).split('#')[0] ?? '') : before;
    this.#fragment = at < 0 ? '' : text.slice(at + 1);
  }
  get hash(): string {
    return this.#fragment === '' ? '' : `#${this.#fragment}`;
  }
  set hash(fragment: string) {
    this.#fragment = fragment.startsWith('#') ? fragment.slice(1) : fragment;
  }
  get href(): string {
    return this.#base + this.hash;
  }
}

if (typeof URL === 'undefined') Object.assign(globalThis, { URL: LocalUrl });

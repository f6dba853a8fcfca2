/**
 * Loaded before a daemon: its machine's clock is wrong by TEST_CLOCK_OFF_MS. All that JavaScript reads of the time is
 * moved, monotonic time is not.
 */
const offMs = Number(process.env['TEST_CLOCK_OFF_MS'] ?? 0);
const RealDate = Date;

globalThis.Date = new Proxy(RealDate, {
  construct: (target, words: unknown[], as) =>
    Reflect.construct(target, words.length === 0 ? [RealDate.now() + offMs] : words, as) as object,
  apply: () => new RealDate(RealDate.now() + offMs).toString(),
  get: (target, name, of) =>
    name === 'now' ? () => RealDate.now() + offMs : (Reflect.get(target, name, of) as unknown),
});

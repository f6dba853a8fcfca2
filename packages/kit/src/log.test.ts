import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { createLogger, redact, silentLogger, type LogLevel } from './log.ts';

function capture(format: 'json' | 'pretty', level: LogLevel = 'debug') {
  const lines: string[] = [];
  return { lines, log: createLogger({ level, format, write: (line) => lines.push(line) }) };
}

test('one JSON object a line, with the names that pino gave its fields', () => {
  const { lines, log } = capture('json', 'info');
  log.debug('not shown');
  log.child({ requestId: 'r1' }).info('done', { ms: 3 });
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { level: 30, time: expect.any(Number), msg: 'done', requestId: 'r1', ms: 3 },
  ]);
});

test('pretty lines cannot be broken or coloured by what they show', () => {
  const { lines, log } = capture('pretty');
  log.warn('a\nb\u001b[31m', { model: 'x\r\ny' });
  expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} WARN  a\\nb\\e\[31m  model=x\\r\\ny$/);
});

test('errors show type, message and stack', () => {
  const { lines, log } = capture('json');
  log.error('failed', { error: new TypeError('Bearer abc.def') });
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ error: { type: 'TypeError', message: 'Bearer [redacted]' } });
  silentLogger.error('nothing');
});

test('telling names are blanked at any depth, counts and ids are kept', () => {
  expect(redact({ apiKey: 'x', a: [{ authorization: 'y', keyId: 'k1' }], prompt_tokens: 5, open: true })).toEqual({
    apiKey: '[redacted]',
    a: [{ authorization: '[redacted]', keyId: 'k1' }],
    prompt_tokens: 5,
    open: true,
  });
});

test('a key never appears, wherever it stands', () => {
  const letters = (count: number) =>
    fc.string({ unit: fc.constantFrom(...'0123456789ABCXYZabcxyz'), minLength: count, maxLength: count });
  const key = fc.tuple(letters(12), letters(38)).map(([id, rest]) => ({ text: `lmk_${id}_${rest}`, secret: rest }));
  const words = fc.string({ unit: fc.constantFrom('a', ' ', '"', ':', ',', '\n', '{') });
  fc.assert(
    fc.property(
      key,
      words,
      words,
      fc.constantFrom('json' as const, 'pretty' as const),
      ({ text, secret }, before, after, format) => {
        const { lines, log } = capture(format);
        const inside = `${before} ${text} ${after}`;
        log.child({ bound: inside }).info(inside, { deep: { list: [inside] }, token: text, error: new Error(inside) });
        return !lines.join('').includes(secret);
      },
    ),
  );
});

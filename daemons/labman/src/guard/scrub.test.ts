import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { scrub } from './scrub.ts';

test.each([
  ['cannot reach http://10.0.0.5:11434/v1/models now', 'cannot reach [hidden] now'],
  ['see https:\\/\\/vllm.lan\\/x', 'see [hidden]'],
  ['dial tcp 10.0.0.5:11434: refused', 'dial tcp [hidden]: refused'],
  ['peer [fd00::1]:8000 and ::1', 'peer [hidden] and [hidden]'],
  ['vllm.lan:8000 is down', '[hidden] is down'],
  ['no such file /srv/models/x.gguf', 'no such file [hidden]'],
  ['no such file C:\\\\models\\\\x.gguf', 'no such file [hidden]'],
  ['Authorization: Bearer abc.def', 'Authorization: [hidden]'],
  ['key sk-abcdef123 is bad', 'key [hidden] is bad'],
])('%s', (text, clean) => {
  expect(scrub(text)).toBe(clean);
});

test('what a caller needs to read stays', () => {
  const texts = [
    "model 'llama3.2:3b' not found",
    'mistral-nemo:12b',
    'max_tokens is 4096, at most 2048',
    'Qwen/Qwen3-8B',
    'temperature must be <= 2.0',
    '{"n_ctx":4096,"ratio":1.5}',
  ];
  for (const text of texts) expect(scrub(text)).toBe(text);
});

test('JSON stays JSON', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.string(), fc.constantFrom('http://a', 'C:\\x', '/a/b', '1.2.3.4:80', '"', '\\', '::1'))),
      (parts) => {
        const said = { error: { message: parts.join(''), type: 'x' } };
        expect(JSON.parse(scrub(JSON.stringify(said)))).toMatchObject({ error: { type: 'x' } });
      },
    ),
  );
});

test('hostile text costs no time', () => {
  const started = performance.now();
  for (const part of ['a.', '1.', ':', '/a', 'a-', '\\\\', '/ ', 'a:/']) scrub(part.repeat(4_096 / part.length));
  expect(performance.now() - started).toBeLessThan(500);
});

import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { errorOfAnswer } from './api-error.ts';

test('message, code and request id, with a way out', () => {
  const body = {
    error: { message: 'no valid API key', type: 'authentication_error', code: 'invalid_api_key' },
    request_id: 'req_1',
  };
  const error = errorOfAnswer(401, JSON.stringify(body));
  expect(error.message).toBe('no valid API key (invalid_api_key, request req_1)');
  expect(error.hint).toContain('labctl keys create');
});

test('the form of the arena: a title, then message and code (AR23)', () => {
  const body = { error: 'Gateway unavailable', message: 'nobody answers', code: 'verification_unavailable' };
  expect(errorOfAnswer(503, JSON.stringify(body)).message).toBe('nobody answers (verification_unavailable)');
});

test('a page that is no API says its status', () =>
  expect(errorOfAnswer(502, '<html>').message).toContain('status 502'));

test('any answer gives an error for a person', () => {
  fc.assert(
    fc.property(fc.nat(599), fc.oneof(fc.string(), fc.json()), (status, text) => void errorOfAnswer(status, text)),
  );
});

import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { serverSettings } from '../testing/open-tools.ts';
import { secretMask } from './mask-secrets.ts';
import type { McpTool } from './mcp-message.ts';
import { servedTool } from './served-tool.ts';
import { contentText, errorText, resultCharsMost } from './tool-content.ts';

const token = 's3cret-s3cret';
const settings = serverSettings({ url: 'http://127.0.0.1:1/mcp?v=1&key=in%2Fthe%2Fquery', token });
const mask = secretMask(settings);
const plain = secretMask({ token: undefined, path: '/mcp' });
const text = (value: string) => ({ content: [{ type: 'text', text: value }] });

describe('secrets of a server', () => {
  test('token, and the values of its address, in each form that they are written in', () => {
    for (const secret of [token, 'in%2Fthe%2Fquery', 'in/the/query']) {
      expect(mask(`a ${secret} b ${secret}`)).toBe('a [secret] b [secret]');
    }
    // What is short means something else in most texts.
    expect(mask('v=1, key')).toBe('v=1, key');
    const quoted = secretMask({ token: 'a"b\\c-123', path: '/mcp?only-a-secret&x=%' });
    expect(quoted(JSON.stringify({ said: 'a"b\\c-123' }))).toBe('{"said":"[secret]"}');
    expect(quoted('only-a-secret')).toBe('[secret]');
  });

  test('whatever the address is, its values do not come through', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 8, unit: 'grapheme' }), fc.string(), (secret, around) => {
        const path = `/mcp?a=1&key=${encodeURIComponent(secret.toWellFormed())}`;
        const said = secretMask({ token: undefined, path })(`${around}${secret}${around}`);
        expect(said).toContain('[secret]');
      }),
    );
  });
});

describe('a tool that tells a secret', () => {
  const tool = (more: Partial<McpTool>): McpTool => ({
    name: 'search',
    inputSchema: { type: 'object' },
    annotations: { readOnlyHint: true },
    ...more,
  });

  test('in its description: taken out before it is cut', () => {
    const served = servedTool(settings, tool({ description: `${'x'.repeat(1_020)}${token}` }), mask);
    expect(served).toMatchObject({ blocked: null, description: `${'x'.repeat(1_020)}[sec` });
  });

  test('in its schema: never called, and the schema goes nowhere', () => {
    const inputSchema = { type: 'object', properties: { key: { type: 'string', default: token } } };
    const served = servedTool(settings, tool({ inputSchema }), mask);
    expect(served).toMatchObject({ parameters: {}, blocked: expect.stringContaining('holds a secret') });
    expect(JSON.stringify(served)).not.toContain(token);
  });

  test('in its name: it is not there', () => {
    expect(servedTool(settings, tool({ name: `get_${token}` }), mask)).toBeUndefined();
  });
});

describe('what a model hears', () => {
  test('texts; of other parts that they are there; bounded, and without the secret', () => {
    const content = [
      { type: 'text', text: `one, said with ${token}` },
      { type: 'image', data: 'AAAA', mimeType: 'image/png' },
      { type: 'resource', resource: { uri: 'file:///a', text: 'two' } },
      { type: 'resource_link', uri: 'https://x.example', name: 'x' },
      { type: 'hologram' },
      7,
    ];
    const said = contentText({ content, structuredContent: undefined }, mask);
    expect(said).toBe(
      'one, said with [secret]\n[image left out]\ntwo\n[a link: x https://x.example]\n[a part of a kind that is not read]\n[a part of a kind that is not read]',
    );
    expect(contentText({ content: [], structuredContent: { a: 1 } }, plain)).toBe('{"a":1}');
    const long = contentText({ ...text('x'.repeat(resultCharsMost + 5)), structuredContent: undefined }, plain);
    expect(long).toEndWith('\n[5 characters left out]');
  });

  test('an error: one line, cut after the secret was taken out', () => {
    expect(errorText(`a\r\nb\u2028${token}`, mask)).toBe('a b [secret]');
    expect(errorText(`${'x'.repeat(295)}${token}`, mask)).toBe(`${'x'.repeat(295)}[secr`);
  });

  test('whatever a server says, a text comes of it', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue(), { maxLength: 5 }), fc.jsonValue(), (content, structuredContent) => {
        const said = contentText({ content, structuredContent }, plain);
        expect(said.isWellFormed() && said.length <= resultCharsMost + 100).toBe(true);
      }),
    );
  });
});

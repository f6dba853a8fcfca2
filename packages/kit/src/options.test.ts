import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { parseConfig } from './config-file.ts';
import { defineOptions, OptionsError, parseOptions, renderHelp, wantsHelp, type OptionsInput } from './options.ts';

const defs = defineOptions({
  host: {
    type: 'string',
    default: '127.0.0.1',
    flag: 'host',
    env: 'GATEWAY_HOST',
    envFile: true,
    file: 'gateway.host',
    help: 'address to listen on',
  },
  port: {
    type: 'integer',
    default: 8080,
    min: 0,
    max: 65_535,
    flag: 'port',
    short: 'p',
    env: 'GATEWAY_PORT',
    file: 'gateway.port',
    help: 'port to listen on',
  },
  wildcard: {
    type: 'boolean',
    default: false,
    flag: 'allow-wildcard',
    file: 'gateway.allow_wildcard',
    help: 'allow 0.0.0.0',
  },
  engine: {
    type: 'string',
    choices: ['raw', 'serve'],
    default: 'raw',
    flag: 'engine',
    file: 'gateway.engine',
    help: 'HTTP engine',
  },
  upstream: { type: 'string[]', flag: 'upstream', env: 'UPSTREAM', file: 'gateway.upstreams', help: 'an endpoint' },
  weight: { type: 'number', flag: 'weight', min: 0, help: 'weight' },
  pepper: {
    type: 'string',
    secret: true,
    env: 'API_KEY_SALT',
    envFile: true,
    file: 'auth.pepper',
    choices: ['a', 'b'],
    help: 'pepper',
  },
});

const parse = (input: OptionsInput) => parseOptions(defs, input);
const toml = (text: string) => parseConfig('labmesh.toml', text);
function faultOf(input: OptionsInput): OptionsError {
  try {
    parse(input);
  } catch (error) {
    if (error instanceof OptionsError) return error;
    throw error;
  }
  throw new Error('expected an OptionsError');
}

describe('values', () => {
  test('types follow from the definitions', () => {
    const { values } = parse({});
    const host: string = values.host;
    const engine: 'raw' | 'serve' = values.engine;
    const upstream: string[] = values.upstream;
    const weight: number | undefined = values.weight;
    expect([host, engine, upstream, weight]).toEqual(['127.0.0.1', 'raw', [], undefined]);
  });

  test('flag beats file beats environment beats default', () => {
    const file = toml('[gateway]\nport = 2');
    const env = { GATEWAY_PORT: '3' };
    expect(parse({ argv: ['--port', '1'], file, env }).values.port).toBe(1);
    expect(parse({ file, env }).values.port).toBe(2);
    expect(parse({ env }).values.port).toBe(3);
    expect(parse({ env: { GATEWAY_PORT: '' } }).values.port).toBe(8080);
    expect(parse({ file }).sources.port).toBe('labmesh.toml:2');
    expect(parse({}).sources).toMatchObject({ port: 'default', weight: 'unset' });
  });

  test('flag forms', () => {
    expect(parse({ argv: ['--port=1'] }).values.port).toBe(1);
    expect(parse({ argv: ['-p', '1', '-p', '2'] }).values.port).toBe(2);
    expect(parse({ argv: ['--allow-wildcard'] }).values.wildcard).toBe(true);
    expect(parse({ argv: ['--no-allow-wildcard'] }).values.wildcard).toBe(false);
    expect(parse({ argv: ['--upstream', 'a', '--upstream=b'] }).values.upstream).toEqual(['a', 'b']);
    expect(parse({ argv: ['--host=--x', 'word', '-', '--', '--port'] })).toMatchObject({
      values: { host: '--x' },
      positionals: ['word', '-', '--port'],
    });
  });

  test('lists: from the file, and by comma from the environment', () => {
    expect(parse({ file: toml('[gateway]\nupstreams = ["a", "b"]') }).values.upstream).toEqual(['a', 'b']);
    expect(parse({ env: { UPSTREAM: 'a, b,' } }).values.upstream).toEqual(['a', 'b']);
  });

  test('NAME_FILE is read, without its last line break', () => {
    const readText = (path: string) => (path === '/run/secret' ? 'a\n' : '');
    expect(parse({ env: { API_KEY_SALT_FILE: '/run/secret' }, readText }).values.pepper).toBe('a');
  });
});

describe('errors', () => {
  test('one clear line each', () => {
    expect(faultOf({ argv: ['--port', 'abc'] }).message).toBe('--port: found "abc", expected an integer 0–65535');
    expect(faultOf({ file: toml('[gateway]\nport = "abc"') }).message).toBe(
      'labmesh.toml:2: gateway.port: found "abc", expected an integer 0–65535',
    );
    expect(faultOf({ env: { GATEWAY_PORT: '70000' } }).message).toBe(
      'GATEWAY_PORT: found "70000", expected an integer 0–65535',
    );
    expect(faultOf({ argv: ['--engine', 'rwa'] }).message).toBe('--engine: found "rwa", expected one of raw, serve');
    expect(faultOf({ argv: ['--weight=-1'] }).message).toBe('--weight: found "-1", expected a number of at least 0');
    expect(faultOf({ argv: ['--host'] }).message).toBe('--host: needs a value');
    expect(faultOf({ argv: ['--host', '--port'] }).message).toContain('is written --host=--port');
  });

  test('unknown names get the nearest known one', () => {
    expect(faultOf({ argv: ['--prot', '1'] }).message).toBe('--prot: unknown flag; did you mean --port?');
    expect(faultOf({ file: toml('[gateway]\nhots = "x"') }).message).toBe(
      'labmesh.toml:2: gateway.hots: unknown key; did you mean gateway.host?',
    );
    expect(faultOf({ file: { ...toml('[gatewya]\n'), known: ['endpoints'] } }).message).toContain(
      'did you mean gateway?',
    );
    expect(faultOf({ file: toml('gateway = 1') }).message).toBe('labmesh.toml:1: gateway: found 1, expected a table');
  });

  test('tables of other parts are left alone', () => {
    expect(parse({ file: { ...toml('[[endpoints]]\nname = "x"'), known: ['endpoints'] } }).values.port).toBe(8080);
    expect(parse({ file: toml('[labman]\nx = 1') }).values.port).toBe(8080);
  });

  test('exit codes: 2 for the command line, 3 for the rest', () => {
    expect(faultOf({ argv: ['--nope'] }).exitCode).toBe(2);
    expect(faultOf({ argv: ['a', 'b'], positionalsMax: 1 })).toMatchObject({
      exitCode: 2,
      message: 'command line: unexpected word "b"; see --help',
    });
    expect(faultOf({ file: toml('[gateway]\nport = 1.5') }).exitCode).toBe(3);
    expect(faultOf({ env: { GATEWAY_HOST: 'x', GATEWAY_HOST_FILE: '/x' } }).exitCode).toBe(3);
    expect(faultOf({ env: { GATEWAY_HOST_FILE: '/does/not/exist' } }).message).toContain('(ENOENT)');
  });

  test('a secret is never in an error', () => {
    expect(faultOf({ env: { API_KEY_SALT: 'hunter2' } }).message).toBe(
      'API_KEY_SALT: found [redacted], expected one of a, b',
    );
  });

  test('a required value that is missing names its places', () => {
    const need = defineOptions({
      token: { type: 'string', required: true, flag: 'token-file', env: 'TOKEN', help: 'x' },
    });
    expect(() => parseOptions(need, {})).toThrow('--token-file: a value is required; set --token-file or TOKEN');
  });

  test('any words and any environment give values or an OptionsError', () => {
    const word = fc.oneof(
      fc.string(),
      fc.constantFrom('--port', '--upstream', '--', '-p', '--no-allow-wildcard', '--engine=', '-'),
    );
    fc.assert(
      fc.property(fc.array(word), fc.string(), (argv, port) => {
        try {
          const { values } = parse({ argv, env: { GATEWAY_PORT: port } });
          return Number.isInteger(values.port) && values.port >= 0 && values.port <= 65_535;
        } catch (error) {
          return error instanceof OptionsError && !error.message.includes('\n');
        }
      }),
    );
  });
});

test('help shows each flag with its default and places', () => {
  const text = renderHelp(defs, {
    usage: 'labctl gateway run [options]',
    summary: 'Runs the gateway.',
    examples: ['labctl gateway run --port 80'],
  });
  expect(text).toContain('Usage: labctl gateway run [options]\n\nRuns the gateway.\n\nOptions:\n');
  expect(text).toContain('-p, --port N');
  expect(text).toContain('port to listen on [default 8080; env GATEWAY_PORT; file gateway.port]');
  expect(text).not.toContain('pepper');
  expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
  expect(wantsHelp(['x', '-h'])).toBe(true);
  expect(wantsHelp(['--', '--help'])).toBe(false);
});

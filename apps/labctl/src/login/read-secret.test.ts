import { thrower } from '@labmesh/wire/testing/errors';
import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { CommandError } from '../command-error.ts';
import { testWorld } from '../testing/test-world.ts';
import { askNewPassword, askSecret, secretFromFile } from './read-secret.ts';

const folder = mkdtempSync(join(tmpdir(), 'labctl-secret-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (text: string) => {
  const path = join(folder, 'secret');
  writeFileSync(path, text);
  return path;
};
const there = { stdinIsTerminal: true, stderrIsTerminal: true };
const read = (text: string) => secretFromFile(testWorld(), file(text), '--token-file');

describe('secrets', () => {
  test.each([
    ['plain', 'plain'],
    ['with a line end\n', 'with a line end'],
    ['of Windows\r\n', 'of Windows'],
    ['  blanks around \nand a second line', 'blanks around'],
  ])('%j is %j', async (text, wanted) => expect(await read(text)).toBe(wanted));

  test('from stdin, whole', async () => {
    const world = testWorld({ readStdin: async () => 'from stdin\n' });
    expect(await secretFromFile(world, '-', '--token-file')).toBe('from stdin');
  });

  test.each([
    ['', 'there is nothing in'],
    ['\n\nlater', 'there is nothing in'],
    ['x'.repeat(5_000), 'is too large'],
  ])('a file with %j is refused', async (text, problem) => {
    expect(await thrower(read(text))).toThrow(`--token-file: `);
    expect(await thrower(read(text))).toThrow(problem);
  });

  test('a file that is not there, or a folder', async () => {
    expect(await thrower(secretFromFile(testWorld(), join(folder, 'none'), '--x'))).toThrow('cannot be read (ENOENT)');
    expect(await thrower(secretFromFile(testWorld(), folder, '--x'))).toThrow('--x: ');
  });

  test('no error holds any of the text', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ minLength: 8 }), async (text) => {
        const world = testWorld({ readStdin: async () => `\n${text}` });
        const error = await secretFromFile(world, '-', '--token-file').catch((thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(CommandError);
        expect(String(error)).not.toContain(text);
      }),
    );
  });

  test('asked for, hidden; where nobody is there the way is told', async () => {
    const hidden: unknown[] = [];
    const ask = async (_: string, how?: { hidden?: boolean }) => {
      hidden.push(how);
      return 'typed';
    };
    expect(await askSecret(testWorld({ ...there, ask }), 'Token: ', '--token-file FILE')).toBe('typed');
    expect(hidden).toEqual([{ hidden: true }]);
    const alone = await askSecret(testWorld(), 'Token: ', '--token-file FILE').catch((error: unknown) => error);
    expect(alone).toMatchObject({ exitCode: 2, hint: '--token-file FILE' });
    const world = testWorld({ ...there, answers: [''] });
    expect(await thrower(askSecret(world, 'Token: ', 'x'))).toThrow('nothing was typed');
  });

  test('a new password is typed twice', async () => {
    const typed = (...answers: string[]) => askNewPassword(testWorld({ ...there, answers }), 'x');
    expect(await typed('a', 'a')).toBe('a');
    expect(await thrower(typed('a', 'b'))).toThrow('the two are not the same');
  });
});

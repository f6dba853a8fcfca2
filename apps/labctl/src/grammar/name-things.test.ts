import { describe, expect, test } from 'bun:test';
import type { CommandError } from '../command-error.ts';
import { formatRef } from './resource-ref.ts';
import { newName, thingOf, thingsOf } from './name-things.ts';

const servers = { command: 'labctl ban', types: ['server', 'agent'], bare: 'server' } as const;
const typed = { command: 'labctl revoke', types: ['token', 'certificate'] } as const;
const refused = (act: () => unknown): CommandError => {
  try {
    act();
  } catch (error) {
    return error as CommandError;
  }
  throw new Error('it was taken');
};

describe('things that a command is about', () => {
  test.each([
    [['server/web-1', 'agent/web-2'], 'server/web-1 agent/web-2'],
    [['web-1', 'web-2'], 'server/web-1 server/web-2'],
    [['srv', 'web-1', 'web-2'], 'server/web-1 server/web-2'],
    [['server/a,b'], 'server/a server/b'],
  ])('%p', (words, wanted) => expect(thingsOf(words, servers).map(formatRef).join(' ')).toBe(wanted));

  test('types that the command does not take are named, with those it does', () => {
    const { message, hint, exitCode } = refused(() => thingsOf(['user/alice'], servers));
    expect([message, hint, exitCode]).toEqual(['labctl ban takes no user: user/alice', 'types: server, agent', 2]);
  });

  test('without a name the way to write one is told', () => {
    expect(refused(() => thingsOf([], servers)).hint).toBe('labctl ban NAME');
    expect(refused(() => thingsOf([], typed)).hint).toBe('labctl revoke token/NAME');
    expect(refused(() => thingsOf(['alice'], typed)).exitCode).toBe(2);
  });

  test('one thing', () => {
    expect(formatRef(thingOf(['web-1'], servers))).toBe('server/web-1');
    expect(refused(() => thingOf(['web-1', 'web-2'], servers)).message).toBe(
      'one thing at a time: server/web-1 or server/web-2',
    );
  });

  test('names of new things', () => {
    expect(newName(['alice'], 'labctl create user')).toBe('alice');
    expect(refused(() => newName([], 'labctl create user')).hint).toBe('labctl create user NAME');
    expect(refused(() => newName([''], 'labctl create user')).exitCode).toBe(2);
  });
});

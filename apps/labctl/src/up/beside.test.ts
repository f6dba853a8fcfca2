import { thrower } from '@labmesh/wire/testing/errors';
import { describe, expect, test } from 'bun:test';
import { startBeside, unlessAborted } from './beside.ts';

/** A part that says what became of it. */
function part(said: string[]): AsyncDisposable {
  return { [Symbol.asyncDispose]: async () => void said.push('closed') };
}

describe('parts that start beside others', () => {
  test('one that runs is closed with the stack', async () => {
    const said: string[] = [];
    const stack = new AsyncDisposableStack();
    await startBeside(stack, async () => part(said));
    expect(said).toEqual([]);
    await stack.disposeAsync();
    expect(said).toEqual(['closed']);
  });

  test('one that is still starting is told to stop, waited for, and closed', async () => {
    const said: string[] = [];
    const stack = new AsyncDisposableStack();
    const started = startBeside(stack, async (signal) => {
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      said.push('told');
      return part(said);
    });
    await stack.disposeAsync();
    expect(said).toEqual(['told', 'closed']);
    await started;
  });

  test('one that cannot start fails when it is awaited, not before', async () => {
    const stack = new AsyncDisposableStack();
    const started = startBeside(stack, () => Promise.reject(new Error('no')));
    await Bun.sleep(1);
    expect(await thrower(started)).toThrow('no');
    await stack.disposeAsync();
  });

  test('Ctrl-C ends the waiting with its own reason', async () => {
    const ending = new AbortController();
    const never = unlessAborted(ending.signal, new Promise(() => {}));
    ending.abort(new Error('stop'));
    expect(await thrower(never)).toThrow('stop');
    expect(await thrower(unlessAborted(ending.signal, Promise.resolve(1)))).toThrow('stop');
    expect(await unlessAborted(new AbortController().signal, Promise.resolve(1))).toBe(1);
  });
});

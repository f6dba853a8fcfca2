/**
 * What a promise is rejected with, for tests. Bun's own `expect(…).rejects` and `.resolves` wait in an event loop inside the
 * event loop, and what else is ready at that moment is lost: output of children, and that they have ended.
 *
 *     expect(await errorOf(door.open())).toMatchObject({ code: 'refused' });
 *     expect(await thrower(door.open())).toThrow('refused');
 */

type Work = PromiseLike<unknown> | (() => PromiseLike<unknown>);

/** @throws Error when there is none */
export async function errorOf(work: Work): Promise<unknown> {
  let value: unknown;
  try {
    value = await (typeof work === 'function' ? work() : work);
  } catch (error) {
    return error;
  }
  throw new Error(`nothing was thrown, but this given: ${Bun.inspect(value).slice(0, 500)}`);
}

/** A function that throws the same, for `toThrow`. */
export async function thrower(work: Work): Promise<() => never> {
  const error = await errorOf(work);
  return () => {
    throw error;
  };
}

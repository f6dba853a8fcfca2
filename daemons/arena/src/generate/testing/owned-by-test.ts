import { afterEach } from 'bun:test';

/** What is given to it ends with the test, the last first. */
export function ownedByTest(): <T extends AsyncDisposable>(thing: T) => T {
  const opened: AsyncDisposable[] = [];
  afterEach(async () => {
    for (const thing of opened.splice(0).toReversed()) await thing[Symbol.asyncDispose]();
  });
  return (thing) => {
    opened.push(thing);
    return thing;
  };
}

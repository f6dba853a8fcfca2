import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { type Kept, KeptFiles } from './kept-files.ts';

const bounds = { most: 3, bytesMost: 100 };
const kept = (bytes: number): Kept => ({ file: Promise.resolve(undefined), isThere: true, bytes, until: 0 });
const names = ['a', 'b', 'c', 'd', 'e'];
const there = (files: KeptFiles) => names.filter((name) => files.get(name) !== undefined);

test('what was asked for longest ago gives way to what comes, by number and by bytes', () => {
  const files = new KeptFiles(bounds);
  for (const name of ['a', 'b', 'c']) files.set(name, kept(10));
  files.get('a');
  files.set('d', kept(10));
  expect(there(files)).toEqual(['a', 'c', 'd']);
  files.set('e', kept(90));
  expect(there(files)).toEqual(['d', 'e']);
  // Larger than all that may be kept: given to who asked, and not kept.
  files.set('b', kept(101));
  expect(there(files)).toEqual([]);
});

test('whatever comes and goes, as much is kept as fits and no more', () => {
  const step = fc.record({
    act: fc.constantFrom('set', 'set', 'set', 'get', 'drop', 'clear'),
    name: fc.constantFrom(...names),
    bytes: fc.integer({ min: 0, max: 60 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const files = new KeptFiles(bounds);
      /** The same, the plain way. */
      let model: Array<[string, number]> = [];
      for (const { act, name, bytes } of steps) {
        const own = model.find(([one]) => one === name);
        const others = model.filter(([one]) => one !== name);
        if (act === 'get') files.get(name);
        else if (act === 'set') files.set(name, kept(bytes));
        else if (act === 'drop') files.drop(name);
        else files.clear();
        if (act === 'get') model = own === undefined ? model : [...others, own];
        else if (act === 'set') model = [...others, [name, bytes]];
        else model = act === 'drop' ? others : [];
        const sum = () => model.reduce((all, [, size]) => all + size, 0);
        while (model.length > bounds.most || sum() > bounds.bytesMost) model.shift();
      }
      expect(there(files).toSorted()).toEqual(model.map(([name]) => name).toSorted());
    }),
  );
});

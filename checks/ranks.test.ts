import { describe, expect, test } from 'bun:test';
import { type Edge, edges, edgesOf, type World } from './imports.ts';
import { folderOrder, observers, rankFinding, type RankRules, ranks, sameRankPairs } from './ranks.ts';
import { manifests, parseSource, sources } from './sources.ts';

const rules: RankRules = { ranks, observers, sameRankPairs, folderOrder };

/** A scan that sees fewer imports than this looked at the wrong place. */
const edgesMin = 150;

describe('ranks', () => {
  test('imports only descend', () => {
    expect(
      edges()
        .map((edge) => rankFinding(edge, rules))
        .filter(Boolean),
    ).toEqual([]);
  });

  test('the scan saw the tree', () => {
    expect(edges().filter((edge) => edge.kind === 'file').length).toBeGreaterThan(edgesMin);
  });

  test('every workspace has a rank and every rank a workspace', () => {
    const workspaces = [...manifests().keys()].filter((folder) => folder !== '').toSorted();
    expect(Object.keys(ranks).toSorted()).toEqual(workspaces);
  });

  test('every named pair is of one rank, between packages, used, and has a reason', () => {
    const used = new Set(
      edges().map((edge) => `${edge.from.split('/', 2).join('/')}>${edge.to.split('/', 2).join('/')}`),
    );
    for (const { from, to, reason } of sameRankPairs) {
      expect(ranks[from]).toBe(ranks[to] as number);
      expect(from.startsWith('packages/')).toBe(true);
      expect(reason.length).toBeGreaterThan(10);
      expect(used).toContain(`${from}>${to}`);
    }
  });

  test('every folder of an ordered workspace stands in the order', () => {
    for (const [workspace, order] of Object.entries(folderOrder)) {
      const below = sources().filter((source) => source.path.startsWith(`${workspace}/src/`));
      const folders = below
        .map((source) => source.path.split('/').slice(3, -1)[0])
        .filter((name) => name !== undefined);
      expect([...new Set(folders)].filter((name) => !order.includes(name))).toEqual([]);
    }
  });
});

describe('the rule itself', () => {
  const paths = [
    'packages/wire/src/a.ts',
    'packages/kit/src/b.ts',
    'packages/inference/src/relay/c.ts',
    'packages/inference/src/registry/d.ts',
    'packages/inference/src/top.ts',
    'daemons/labman/src/e.ts',
    'daemons/gateway/src/f.ts',
    'tests/g.ts',
  ];
  const workspaces = ['wire', 'kit', 'inference'].map((name) => [`@labmesh/${name}`, `packages/${name}`] as const);
  const world: World = {
    paths: new Set(paths),
    workspaces: new Map([...workspaces, ['@labmesh/gateway', 'daemons/gateway']]),
  };
  const finding = (from: string, specifier: string) => {
    const [edge] = edgesOf(parseSource(from, `import { x } from '${specifier}';\n`), world);
    return rankFinding(edge as Edge, rules);
  };

  test.each([
    ['packages/kit/src/b.ts', '@labmesh/wire/a'],
    ['packages/inference/src/relay/c.ts', '../registry/d.ts'],
    ['packages/inference/src/top.ts', './relay/c.ts'],
    ['packages/kit/src/b.test.ts', '../../../tests/g.ts'],
    ['tests/g.ts', '@labmesh/gateway/f'],
  ])('%s may import %s', (from, specifier) => expect(finding(from, specifier)).toBeUndefined());

  test.each([
    ['packages/wire/src/a.ts', '@labmesh/kit/b', 'rank 0'],
    ['packages/kit/src/b.ts', '../../wire/src/a.ts', 'cross-package'],
    ['daemons/labman/src/e.ts', '@labmesh/gateway/f', 'daemons never'],
    ['packages/inference/src/registry/d.ts', '../relay/c.ts', 'imports only go'],
    ['packages/inference/src/relay/c.ts', '../top.ts', 'imports only go'],
    ['packages/kit/src/b.ts', '../../../tests/g.ts', 'nothing but tests'],
    ['packages/new-one/src/z.ts', '@labmesh/wire/a', 'no rank'],
  ])('%s may not import %s', (from, specifier, why) => expect(finding(from, specifier)).toContain(why));
});

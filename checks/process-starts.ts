/**
 * What could start a process, load native code or run text as code, found in the syntax of one file. The network plane
 * takes requests from controllers it does not trust, so nothing on its import path may hold any of these.
 */
import { readFileSync } from 'node:fs';
import { Glob } from 'bun';
import { join } from 'node:path';
import { Visitor } from 'oxc-parser';
import { edgesOf, type World } from './imports.ts';
import type { Source } from './sources.ts';

const modules = ['node:child_process', 'node:cluster', 'node:worker_threads', 'node:vm', 'node:module', 'bun:ffi'];
const bunNames = ['spawn', 'spawnSync', '$', 'openInEditor', 'Terminal'];
const processNames = ['binding', 'dlopen', 'getBuiltinModule'];
const constructors = ['Function', 'Worker'];

/** `Bun` may only stand before a dot: handed on whole, nobody can read what is called on it. */
function bunUses(source: Source, add: (at: number, what: string) => void): void {
  const plain = new Set<number>();
  const seen: number[] = [];
  new Visitor({
    MemberExpression: (node) => {
      if (node.object.type !== 'Identifier' || node.computed) return;
      const name = node.property.type === 'Identifier' ? node.property.name : '';
      if (node.object.name === 'process' && processNames.includes(name)) add(node.start, `process.${name}`);
      if (node.object.name !== 'Bun') return;
      plain.add(node.object.start);
      if (bunNames.includes(name)) add(node.start, `Bun.${name}`);
    },
    TSQualifiedName: (node) => {
      plain.add(node.left.start);
    },
    Identifier: (node) => {
      if (node.name === 'Bun') seen.push(node.start);
    },
  }).visit(source.program);
  for (const at of seen) if (!plain.has(at)) add(at, 'Bun handed on whole');
}

/** Places in one file that start something, as `path:line: what`. */
export function processStarts(source: Source, world: World): string[] {
  const found: string[] = [];
  const add = (at: number, what: string) => found.push(`${source.path}:${source.lineAt(at)}: ${what}`);
  for (const edge of edgesOf(source, world)) {
    if (edge.typeOnly) continue;
    if (edge.kind === 'opaque') found.push(`${source.path}:${edge.line}: an import that cannot be read`);
    if (modules.includes(edge.to)) found.push(`${source.path}:${edge.line}: ${edge.to}`);
  }
  for (const one of source.module.staticImports.filter((each) => each.moduleRequest.value === 'bun')) {
    for (const { importName, isType } of one.entries) {
      const name = importName.name ?? '*';
      if (!isType && (name === '*' || bunNames.includes(name))) add(one.start, `'${name}' of bun`);
    }
  }
  bunUses(source, add);
  new Visitor({
    CallExpression: (node) => {
      if (node.callee.type === 'Identifier' && ['eval', 'Function'].includes(node.callee.name)) {
        add(node.start, node.callee.name);
      }
    },
    NewExpression: (node) => {
      if (node.callee.type === 'Identifier' && constructors.includes(node.callee.name)) {
        add(node.start, `new ${node.callee.name}`);
      }
    },
    MemberExpression: (node) => {
      if (
        node.object.type === 'MetaProperty' &&
        node.property.type === 'Identifier' &&
        node.property.name === 'require'
      ) {
        add(node.start, 'import.meta.require');
      }
    },
  }).visit(source.program);
  return found;
}

/** Files of an installed npm package (and of what it depends on) that name child_process or native loading. */
export function packageStarts(name: string, modulesFolder: string, seen = new Set<string>()): string[] {
  if (seen.has(name)) return [];
  seen.add(name);
  const folder = join(modulesFolder, name);
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { dependencies?: object };
  const scripts = [...new Glob('**/*.{js,mjs,cjs,node}').scanSync({ cwd: folder })];
  const starts = scripts.filter(
    (path) =>
      path.endsWith('.node') ||
      /child_process|Bun\.spawn|process\.dlopen/.test(readFileSync(join(folder, path), 'utf8')),
  );
  const below = Object.keys(manifest.dependencies ?? {}).flatMap((each) => packageStarts(each, modulesFolder, seen));
  return [...starts.map((path) => `node_modules/${name}/${path}: starts processes or loads native code`), ...below];
}

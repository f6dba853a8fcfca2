/** The shape of files and folders: what style.md forbids outright. Each rule takes one file and gives its findings. */
import { Visitor } from 'oxc-parser';
import type { Source } from './sources.ts';

/** Folders that sort code by kind say nothing about what it does. */
const kindFolders =
  'services service models model utils util common helpers helper types interfaces misc lib shared'.split(' ');

/** Names that date a thing: the next one has no name left. */
const eraName = /^(?:v\d+|new|old|legacy)$|-(?:v\d+|new|old|legacy)$/;

const kebab = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;
const home = /^(?:packages|daemons|apps|tests|bench|checks|tools)\//;

/** Constructs that have no place here: default exports, enums, namespaces, decorators, tests that are held back. */
export function bannedConstructs(source: Source): string[] {
  const found: string[] = [];
  const add = (at: number, what: string) => found.push(`${source.path}:${source.lineAt(at)}: ${what}`);
  new Visitor({
    TSExportAssignment: (node) => add(node.start, 'export ='),
    TSEnumDeclaration: (node) => add(node.start, 'enum'),
    TSModuleDeclaration: (node) => add(node.start, 'namespace'),
    Decorator: (node) => add(node.start, 'decorator'),
    MemberExpression: (node) => {
      const name = node.property.type === 'Identifier' ? node.property.name : '';
      const isExpect =
        node.object.type === 'CallExpression' &&
        node.object.callee.type === 'Identifier' &&
        node.object.callee.name === 'expect';
      if (isExpect && (name === 'rejects' || name === 'resolves'))
        add(
          node.start,
          `${name}: events of children are lost meanwhile; await the promise, or errorOf and thrower of wire`,
        );
      const tester = node.object.type === 'Identifier' && ['test', 'it', 'describe'].includes(node.object.name);
      if (!tester || !['only', 'skip', 'todo'].includes(name)) return;
      add(node.start, `${name}: a test runs, or is left out by skipIf with the package it needs`);
    },
  }).visit(source.program);
  for (const one of source.module.staticExports) {
    const isDefault = ({ exportName }: (typeof one.entries)[number]) =>
      (exportName.kind as string) === 'Default' || exportName.name === 'default';
    if (one.entries.some(isDefault)) add(one.start, 'default export');
  }
  return found;
}

/** A file that only passes on what others export. */
export function barrel(source: Source): string[] {
  let exports = 0;
  for (const statement of source.program.body) {
    if (statement.type === 'ImportDeclaration') continue;
    if (statement.type === 'ExportAllDeclaration') exports++;
    else if (statement.type === 'ExportNamedDeclaration' && statement.declaration === null) exports++;
    else return [];
  }
  return exports > 0 ? [`${source.path}:1: a barrel: it only re-exports`] : [];
}

/** Names of the folders and the file. */
export function badNames(path: string): string[] {
  if (!home.test(path) || !/\.(?:ts|tsx|mjs|js)$/.test(path)) return [];
  const parts = path.replace(/(?:\.test|\.d)?\.(?:ts|tsx|mjs|js)$/, '').split('/');
  const found: string[] = [];
  for (const [index, part] of parts.entries()) {
    if (!kebab.test(part)) found.push(`${path}: '${part}' is not kebab-case`);
    if (eraName.test(part)) found.push(`${path}: '${part}' names an era`);
    if (index < parts.length - 1 && kindFolders.includes(part)) found.push(`${path}: '${part}/' sorts by kind`);
  }
  return found;
}

/**
 * Whether a block of tests may change what a suite looks at. Such a block is left out of the hidden cases, since what it
 * imports is not there; so whoever reads on to a "final version" that hides in one would hold code that nobody checked.
 * This says yes too often rather than too seldom: what it names is only kept in. It reads text, and no text rule sees all
 * that code can do (a list that a function reads and a test fills); left-out blocks are therefore named in the verdict.
 */
import type { Runtime } from './interpreters.ts';

/** Names of one answer that are looked for; with more, every block is kept. */
const namesMost = 200;

const escaped = (name: string) => name.replaceAll('$', '\\$');

/** Python reads names in their compatibility form, JavaScript knows escapes in them: `ｆ` and `\u0066` are `f`. */
const normal = (code: string): string =>
  code
    .normalize('NFKC')
    .replace(/\\u(?:\{0{0,8}([\da-f]{1,6})\}|([\da-f]{4}))/gi, (all, braced?: string, plain?: string) => {
      const point = Number.parseInt(braced ?? plain ?? '', 16);
      return point <= 0x10ffff ? String.fromCodePoint(point) : all;
    })
    .replaceAll(/\\\r?\n/g, ' ');

/** `name = …`, in one of the forms that both languages have: typed, `:=`, `+=`, `??=`. */
const assigned = String.raw`\s*(?::[^=\n]{0,200}|\*\*|\/\/|>>>?|<<|\|\||&&|\?\?|[-+*/%&|^@])?=(?![=>])`;

/** One of `names` is given another meaning. Every repetition is bounded, so that a hostile block costs linear time. */
function rebinding(names: readonly string[]): RegExp {
  const name = `(?<![\\w$.])(?:${names.map(escaped).join('|')})(?![\\w$])`;
  const target = String.raw`(?:[\w$.*]{1,100}\s{0,20},[\s([]{0,20}){0,20}`;
  return new RegExp(
    [
      String.raw`\b(?:def|class|function|enum|namespace)[\s*]{1,200}${name}`,
      `${name}${assigned}`,
      // A comment between two words would hide them from all that is above and below.
      String.raw`\b(?:function|class|enum|namespace|let|const|var|as|of|in|for|await)[\s*]{0,20}(?:\/[*\/]|#)|${name}\s{0,20}(?:\/[*\/]|#)|(?:\+\+|--)\s{0,20}\/[*\/]`,
      // `f, g = …`, `(g, f) = …`: a list of targets at the beginning of a statement.
      String.raw`(?:^|[;:])[\s([,]{0,200}${target}\*?${name}[\s)\]]{0,20}(?:,[\s([)\]\w$.*]{0,140}){0,20}=(?![=>])`,
      // `({ a: f } = …)`; what is taken from a module is the import that tests begin with.
      String.raw`[{[][^;{}()=[\]]{0,200}${name}[^;{}()=[\]]{0,200}[}\]][}\]\s)]{0,20}=(?![=>])(?!\s{0,20}(?:await\s{1,20})?(?:require|import)\b)`,
      String.raw`\bfor\b(?:(?!\b(?:in|of|for)\b)[^=;]){0,60}?${name}(?:(?!\b(?:in|of|for)\b)[^=;]){0,60}\b(?:in|of)\b`,
      String.raw`\bas[\s(]{1,200}${name}`,
      String.raw`\b(?:del|global|nonlocal)\b[^\n;]{0,200}${name}`,
      String.raw`(?:\+\+|--)\s{0,20}${name}|${name}\s{0,20}(?:\+\+|--)`,
    ].join('|'),
    'm',
  );
}

/** Members: `module.f = …`, save of the test's own object; and any `a.b = …` that is a statement of the block itself. */
const memberOf = (names: readonly string[]) =>
  new RegExp(
    String.raw`(?<!\b(?:self|cls|this))\.(?:${names.map(escaped).join('|')})${assigned}` +
      String.raw`|^[A-Za-z_$][\w$]{0,100}(?:\.[\w$]{1,100}|\[[^\]\n]{1,200}\]){1,20}${assigned}`,
    'm',
  );

/** Ways to names that no text shows. Names with underscores are those of the language's inside, save these. */
const plainDunders =
  'name|main|init|file|doc|repr|str|eq|ne|lt|le|gt|ge|len|call|iter|next|enter|exit|hash|contains|getitem|setitem|bool|version|author|future|post_init|slots|all|add|sub|mul';
const indirect: Readonly<Record<'python' | 'bun', RegExp>> = {
  python: new RegExp(
    String.raw`(?<![\w.])(?:globals|locals|vars|exec|eval|setattr|delattr|builtins|importlib|ctypes|gc|inspect)\b` +
      String.raw`|(?<![\w.])compile\s{0,20}\(|\bsys\s{0,20}\.\s{0,20}modules\b|\bmodules\s{0,20}\[|import[^\n]{0,200}\bmodules\b` +
      String.raw`|\b_getframe\b|\bcurrentframe\b|\b[fg]i?_(?:globals|locals|builtins)\b|\bFunctionType\b|\bsetitem\b` +
      String.raw`|__(?!(?:${plainDunders})__)\w{1,100}__|(?<!['"])__main__(?!['"])`,
  ),
  bun: /\bglobalThis\b|\beval\s{0,20}\(|\bFunction\s{0,20}\(|\bwith\s{0,20}\(|\bdefinePropert(?:y|ies)\b|\bsetPrototypeOf\b|__proto__|\.\s{0,20}prototype\b|\bassign\s{0,20}\(\s{0,20}this\b|\b(?:global|window|self|this)\s{0,20}\[|\bglobal\s{0,20}\.|\bmodule\s{0,20}[.[]|\bexports\s{0,20}[.[=]|\bReflect\b|\.\s{0,20}constructor\b|\[\s{0,20}['"`]constructor/,
};

const heads: Readonly<Record<'python' | 'bun', RegExp>> = {
  python:
    /^(?:async[ \t]{1,20})?(?:def|class)[ \t]{1,20}(\w{1,100})|^([A-Za-z_]\w{0,100})[ \t]{0,20}(?::[^=\n]{0,200})?=(?!=)/gm,
  bun: /^(?:export[ \t]{1,20})?(?:default[ \t]{1,20})?(?:async[ \t]{1,20})?(?:function[ \t*]{1,20}|(?:class|const|let|var|enum)[ \t]{1,20})([\w$]{1,100})/gm,
};

/** Names that code defines at its outermost level; what is no name in a pattern is not among them. */
function definedIn(runtime: 'python' | 'bun', code: string): string[] {
  return [...normal(code).matchAll(heads[runtime])].flatMap(([, one, other]) => one ?? other ?? []);
}

/**
 * @param entry the function that the suite calls
 * @param solution the blocks that are no tests: what they define, `block` may change too
 */
export function mayRebind(runtime: Runtime, block: string, entry: string, solution = ''): boolean {
  if (runtime === 'bash') return false;
  const names = [...new Set([entry, ...definedIn(runtime, solution)])];
  if (names.length > namesMost) return true;
  const rules = [rebinding(names), memberOf(names)];
  const text = normal(block);
  return rules.some((rule) => rule.test(text)) || indirect[runtime].test(text);
}

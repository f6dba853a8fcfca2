import { type CommandFacts, nextWords } from './completion-facts.ts';

const quoted = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

const head = `# fish completion of labctl. Load it: labctl completion fish > ~/.config/fish/completions/labctl.fish
# Made from labctl's own table of commands.

# The words before the cursor that are a command, or the beginning of one.
function __labctl_command
    set -l words (commandline -opc)
    set -l command
    for word in $words[2..-1]
        set -l next (string join -- ' ' $command $word)
        contains -- $next $__labctl_known; or break
        set -a command $word
    end
    string join -- ' ' $command
end

# __labctl_at COMMAND [POSITION [VALUED FLAG…]]: the cursor stands in that command, at that word of its own.
function __labctl_at
    set -l words (commandline -opc)
    contains -- -- $words; and return 1
    test (__labctl_command | string collect -a) = "$argv[1]"; or return 1
    test (count $argv) -gt 1; or return 0
    set -l position 0
    set -l skip (math (count (string split -n ' ' -- $argv[1])) + 2)
    set -l value 0
    for word in $words[$skip..-1]
        if test $value -eq 1
            set value 0
        else if string match -q -- '-*' $word
            contains -- $word $argv[3..-1]; and set value 1
        else
            set position (math $position + 1)
        end
    end
    string match -qr -- $argv[2] $position
end
`;

function commandLines({ name, flags, words }: CommandFacts): string[] {
  const at = `-n ${quoted(`__labctl_at ${quoted(name)}`)}`;
  const flagLines = flags.map(({ names, takesValue, choices, path, help }) => {
    const [long = '', short] = names;
    const parts = [`complete -c labctl ${at}`, `-l ${long.slice(2)}`];
    if (short !== undefined) parts.push(`-s ${short.slice(1)}`);
    if (takesValue) parts.push(path ? '-r -F' : '-x');
    if (choices.length > 0) parts.push(`-a ${quoted(choices.join(' '))}`);
    return [...parts, `-d ${quoted(help)}`].join(' ');
  });
  const valued = flags.filter(({ takesValue }) => takesValue).flatMap(({ names }) => names);
  const wordLines = words.map((one, index) => {
    // A pattern: the last list is also for later words.
    const position = index === words.length - 1 ? `^[${index}-9]` : `^${index}$`;
    const condition = quoted(`__labctl_at ${[quoted(name), quoted(position), ...valued].join(' ')}`);
    return `complete -c labctl -n ${condition} -a ${quoted(one.join(' '))}`;
  });
  return [...flagLines, ...wordLines];
}

export function fishScript(facts: readonly CommandFacts[]): string {
  const next = nextWords(facts);
  const known = [...new Set([...next.keys(), ...facts.map(({ name }) => name)])].filter((name) => name !== '');
  const starts = [...next].flatMap(([start, words]) =>
    words.map((word) => {
      const name = start === '' ? word : `${start} ${word}`;
      const text = facts.find((one) => one.name === name)?.summary ?? `${word} …`;
      return `complete -c labctl -n ${quoted(`__labctl_at ${quoted(start)} ^0`)} -a ${quoted(word)} -d ${quoted(text)}`;
    }),
  );
  const lines = [`set -g __labctl_known ${known.map(quoted).join(' ')}`, 'complete -c labctl -f', ...starts];
  return `${head}\n${[...lines, ...facts.flatMap(commandLines)].join('\n')}\n`;
}

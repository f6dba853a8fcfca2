import { type CommandFacts, type FlagFacts, nextWords } from './completion-facts.ts';

/** For a bash word list in single quotes. Names, flags and choices hold no quote; a word that did would be dropped. */
const list = (words: readonly string[]) => `'${words.filter((word) => !/['\s]/.test(word)).join(' ')}'`;

/** `--output|-o) words='table json' ;;` for each flag with a value. */
function valueCases(flags: readonly FlagFacts[], indent: string): string[] {
  return flags
    .filter(({ takesValue }) => takesValue)
    .map(({ names, choices, path }) => {
      const act = path ? 'files=1' : `words=${list(choices)}`;
      return `${indent}${names.join('|')}) value=1; ${act} ;;`;
    });
}

function commandCase({ name, flags, words }: CommandFacts): string[] {
  const positions = words.map((one, index) => {
    const at = index === words.length - 1 ? '*' : String(index);
    return `        ${at}) words=${list(one)} ;;`;
  });
  return [
    `    '${name}')`,
    '      case "$previous" in',
    ...valueCases(flags, '        '),
    '      esac',
    '      [[ -n $value ]] && return',
    `      flags=${list(flags.flatMap(({ names }) => names))}`,
    `      valued=${list(flags.filter(({ takesValue }) => takesValue).flatMap(({ names }) => names))}`,
    ...(positions.length === 0
      ? []
      : ['      _labctl_position', '      case "$position" in', ...positions, '      esac']),
    '      ;;',
  ];
}

const head = `# bash completion of labctl. Load it: source <(labctl completion bash)
# Made from labctl's own table of commands.

# Position of the word at the cursor among those that are no flags and no values of flags.
_labctl_position() {
  local at word
  position=0
  for ((at = after; at < COMP_CWORD; at++)); do
    word=\${COMP_WORDS[at]}
    if [[ $word == = ]]; then ((at++))
    elif [[ $word == -* ]]; then
      # --flag value, but not --flag=value: bash gives that as three words.
      if [[ " $valued " == *" $word "* && \${COMP_WORDS[at + 1]} != = ]]; then ((at++)); fi
    else ((position++)); fi
  done
}
`;

const foot = `
_labctl() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]}
  local command='' after=1 words='' flags='' valued='' value='' files='' position=0 next at
  COMPREPLY=()
  # Behind -- the words are somebody else's.
  for ((at = 1; at < COMP_CWORD; at++)); do [[ \${COMP_WORDS[at]} == -- ]] && { compopt -o default 2>/dev/null; return; }; done
  if [[ $current == = ]]; then current=''; elif [[ $previous == = ]]; then previous=\${COMP_WORDS[COMP_CWORD - 2]}; fi
  # The longest run of words that are a command, or the beginning of one.
  while ((after < COMP_CWORD)); do
    next=\${command:+$command }\${COMP_WORDS[after]}
    _labctl_is "$next" || break
    command=$next
    ((after++))
  done
  _labctl_facts
  if [[ -n $files ]]; then compopt -o default 2>/dev/null; return; fi
  if [[ -z $value && $current == -* ]]; then words=$flags; fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  # A type with its slash is not the end of the word.
  [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == */ ]] && compopt -o nospace 2>/dev/null
  return 0
}
complete -F _labctl labctl labmesh
`;

/** A script of functions and cases: nothing is run but bash's own words, so completing costs no start of labctl. */
export function bashScript(facts: readonly CommandFacts[]): string {
  const next = nextWords(facts);
  const known = [...new Set([...next.keys(), ...facts.map(({ name }) => name)])].filter((name) => name !== '');
  const starts = [...next].map(([start, words]) => `      '${start}') words=${list(words)} ;;`);
  const body = [
    '_labctl_is() {',
    '  case "$1" in',
    `    ${known.map((name) => `'${name}'`).join('|')}) return 0 ;;`,
    '  esac',
    '  return 1',
    '}',
    '',
    '_labctl_facts() {',
    '  if ((after == COMP_CWORD)); then',
    '    case "$command" in',
    ...starts,
    '    esac',
    '  fi',
    '  case "$command" in',
    ...facts.flatMap(commandCase),
    '  esac',
    '}',
  ];
  return `${head}\n${body.join('\n')}\n${foot}`;
}

import { allCommands, type CommandRow, isPath, type OptionRow } from './command-table.ts'

/** Zsh's completion: a function a command, handed to `_arguments`. */
export function zshCompletion(table: CommandRow): string {
  return `#compdef headrace
# Zsh completion of headrace, made by "headrace completion zsh".
${allCommands(table).map(functionOf).join('\n')}
_headrace "$@"
`
}

function functionOf(row: CommandRow): string {
  const options = row.options.map(argumentOf).map(line => `    ${line}`)
  if (row.commands.length === 0) {
    return `${nameOf(row)}() {\n  _arguments -s \\\n${[...options, "    '*:argument:_files'"].join(' \\\n')}\n}`
  }
  const list = row.commands.map(({ path, summary }) => `      '${path.at(-1)}:${quoted(firstSentence(summary))}'`)
  const cases = row.commands.map(below => `        ${below.path.at(-1)}) ${nameOf(below)} ;;`)
  return `${nameOf(row)}() {
  local curcontext=$curcontext state line
  local -a commands
  _arguments -C \\
${options.join(' \\\n')} \\
    '1:command:->command' \\
    '*::argument:->argument'
  case $state in
    command)
      commands=(
${list.join('\n')}
      )
      _describe command commands ;;
    argument)
      case $line[1] in
${cases.join('\n')}
      esac ;;
  esac
}`
}

function nameOf({ path }: CommandRow): string {
  return `_${path.join('_').replaceAll('-', '_')}`
}

function argumentOf({ names, value, choices, summary }: OptionRow): string {
  const said = `[${quoted(firstSentence(summary)).replace(/[[\]]/g, '\\$&')}]`
  const action = choices.length > 0 ? `(${choices.join(' ')})` : value !== undefined && isPath(value) ? '_files' : ' '
  const tail = value === undefined ? '' : `:${quoted(value.replace(/[<>[\]:.…]/g, ''))}:${action}`
  if (names.length === 1) return `'${names[0]}${said}${tail}'`
  return `'(${names.join(' ')})'{${names.join(',')}}'${said}${tail}'`
}

/** Within single quotes, and where a colon parts fields. */
function quoted(text: string): string {
  return text.replaceAll("'", "'\\''").replaceAll(':', '\\:')
}

function firstSentence(text: string): string {
  return text.split(/[.;] /)[0] ?? text
}

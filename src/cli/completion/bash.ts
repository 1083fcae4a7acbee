import { allCommands, type CommandRow, isPath } from './command-table.ts'

/** Bash's completion: one function that finds the command in the words before, and then what may come next. */
export function bashCompletion(table: CommandRow): string {
  const commands = allCommands(table)
  const words = (row: CommandRow) => [
    ...row.commands.map(({ path }) => path.at(-1)),
    ...row.options.flatMap(({ names }) => names),
  ]
  const cases = commands.map(row => `    '${row.path.join(' ')}') words='${words(row).join(' ')}' ;;`)
  const paths = commands.filter(({ commands: below }) => below.length > 0)
  const steps = paths.flatMap(row => row.commands.map(({ path }) => `      '${path.join(' ')}') at='${path.join(' ')}' ;;`))
  const valued = commands.flatMap(({ options }) => options).filter(({ value }) => value !== undefined)
  const files = names(valued.filter(({ value, choices }) => choices.length === 0 && isPath(value ?? '')))
  const chosen = new Map(valued.filter(({ choices }) => choices.length > 0).map(row => [names([row]).join('|'), row.choices]))
  const others = names(valued).filter(
    name => !files.includes(name) && ![...chosen.keys()].some(key => key.split('|').includes(name)),
  )
  return `# Bash completion of headrace, made by "headrace completion bash".
_headrace() {
  local current=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]} at='headrace' words='' word
  COMPREPLY=()
  case "$before" in
    ${files.join(' | ')}) mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
${[...chosen].map(([key, choices]) => `    ${key}) mapfile -t COMPREPLY < <(compgen -W '${choices.join(' ')}' -- "$current"); return ;;`).join('\n')}
${others.length > 0 ? `    ${others.join(' | ')}) return ;;\n` : ''}  esac
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$at $word" in
${steps.join('\n')}
    esac
  done
  case "$at" in
${cases.join('\n')}
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  [ \${#COMPREPLY[@]} -gt 0 ] || mapfile -t COMPREPLY < <(compgen -f -- "$current")
}
complete -o filenames -F _headrace headrace
`
}

function names(options: readonly { readonly names: readonly string[] }[]): string[] {
  return [...new Set(options.flatMap(option => option.names))].sort()
}

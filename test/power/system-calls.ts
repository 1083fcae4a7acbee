import { readFileSync } from 'node:fs'

/*
  What `strace -f -yy -xx -s SIZE -o FILE` writes, a line for each call, in the order in which calls ended:

    PID NAME(ARGS) = RESULT …
    PID NAME(ARGS <unfinished ...>          another thread's call ended first
    PID <... NAME resumed>ARGS) = RESULT

  All strings, and what a descriptor is, in hexadecimal: "\x61\x62", 21</tmp> as 21<\x2f\x74\x6d\x70>.
*/

/** One call of the system that had an effect. `began` and `ended` are places in the trace: calls of several threads may overlap. */
export interface SystemCall {
  readonly name: string
  readonly args: string
  readonly result: number
  readonly began: number
  readonly ended: number
}

const RESULT = /\)\s+= (-?\d+)(?: E[A-Z0-9]+ \([^)]*\)|<[^>]*(?:->[^>]*)?>)?$/

export function readCalls(file: string): SystemCall[] {
  const unfinished = new Map<string, { began: number; text: string }>()
  const calls: SystemCall[] = []
  for (const [at, line] of readFileSync(file, 'latin1').split('\n').entries()) {
    const space = line.indexOf(' ')
    const pid = line.slice(0, space)
    let text = line.slice(space).trimStart()
    let began = at
    if (text.endsWith('<unfinished ...>')) {
      unfinished.set(pid, { began, text: text.slice(0, -'<unfinished ...>'.length) })
      continue
    }
    if (text.startsWith('<... ')) {
      const first = unfinished.get(pid)
      if (!first) continue
      unfinished.delete(pid)
      text = first.text + text.slice(text.indexOf('>') + 1)
      began = first.began
    }
    const open = text.indexOf('(')
    const [end, code] = RESULT.exec(text) ?? []
    if (open < 0 || end === undefined) continue
    const result = Number(code)
    // What was refused has changed nothing.
    if (result < 0) continue
    calls.push({ name: text.slice(0, open), args: text.slice(open + 1, text.lastIndexOf(end)), result, began, ended: at })
  }
  // One that never returned, since the power went, may all the same have done something: nobody was told, and no sync came after it.
  return calls
}

/** All strings among the arguments, in order. */
export function stringsOf(args: string): Buffer[] {
  return [...args.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map(([, hex = '']) => unescaped(hex))
}

/** The descriptor that is the first argument: its number, and the path or the socket behind it. */
export function descriptorOf(args: string): { fd: number; is: string } | undefined {
  const [, fd, is] = /^(\d+)<((?:->|[^>])*)>/.exec(args) ?? []
  return fd === undefined || is === undefined ? undefined : { fd: Number(fd), is: decoded(is) }
}

function decoded(text: string): string {
  return text.replace(/(?:\\x[0-9a-f]{2})+/g, hex => unescaped(hex).toString('utf8'))
}

function unescaped(hex: string): Buffer {
  return Buffer.from(hex.replaceAll('\\x', ''), 'hex')
}

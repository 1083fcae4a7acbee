import { spawn } from 'node:child_process'

export interface Step {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
}

/** What takes no more than a compiler and a linter. */
export const STATIC_STEPS: readonly Step[] = [
  { name: 'types', command: 'tsc', args: ['--noEmit'] },
  { name: 'types of the page', command: 'tsc', args: ['--noEmit', '-p', 'src/console/page'] },
  { name: 'lint', command: 'biome', args: ['check', '.'] },
]

/** Runs one step, its output on this terminal at once or when it has ended; says how long it took, and gives whether it passed. */
export function runStep({ name, command, args }: Step, output: 'shown' | 'kept' = 'shown'): Promise<boolean> {
  const from = performance.now()
  const title = `\n── ${name}: ${command} ${args.join(' ')}\n`
  const kept: Buffer[] = []
  if (output === 'shown') process.stdout.write(title)
  return new Promise(resolve => {
    const child = spawn(command, args, {
      stdio: output === 'shown' ? ['ignore', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (part: Buffer) => kept.push(part))
    const end = (passed: boolean, how: string) => {
      if (output === 'kept') process.stdout.write(`${title}${Buffer.concat(kept)}`)
      process.stdout.write(`── ${name}: ${how} after ${((performance.now() - from) / 1_000).toFixed(1)} s\n`)
      resolve(passed)
    }
    child.on('error', error => end(false, `could not be started (${error.message})`))
    child.on('close', (code, signal) => end(code === 0, code === 0 ? 'passed' : `failed with ${signal ?? `exit code ${code}`}`))
  })
}

/** A terminal's Ctrl-C reaches the step as well: this process waits for it, so that what the step started is ended by the step. */
export function waitForStepsOnSignals(): void {
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => {})
}

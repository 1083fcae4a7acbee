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

/** Runs one step with its output on this terminal, says how long it took, and gives whether it passed. */
export function runStep({ name, command, args }: Step): Promise<boolean> {
  const from = performance.now()
  process.stdout.write(`\n── ${name}: ${command} ${args.join(' ')}\n`)
  return new Promise(resolve => {
    const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'] })
    const end = (passed: boolean, how: string) => {
      process.stdout.write(`── ${name}: ${how} after ${((performance.now() - from) / 1_000).toFixed(1)} s\n`)
      resolve(passed)
    }
    child.on('error', error => end(false, `could not be started (${error.message})`))
    child.on('exit', (code, signal) => end(code === 0, code === 0 ? 'passed' : `failed with ${signal ?? `exit code ${code}`}`))
  })
}

/** A terminal's Ctrl-C reaches the step as well: this process waits for it, so that what the step started is ended by the step. */
export function waitForStepsOnSignals(): void {
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => {})
}

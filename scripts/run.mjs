/**
 * Starts a script of the project under the project's own Node, after setting up what is missing.
 *   node scripts/run.mjs FILE [ARG …]
 */
import { spawn } from 'node:child_process'
import { EDGE_ENV, EDGE_FLAGS } from './edge-process.mjs'
import { NODE, ROOT, setup } from './setup.mjs'

setup()
const [file, command] = process.argv.slice(2)
const isEdge = file === 'src/cli/main.ts' && command === 'edge'
const env = {
  ...(isEdge && EDGE_ENV),
  ...process.env,
  PATH: `${ROOT}node_modules/.bin:${process.env.PATH}`,
}
const flags = isEdge ? EDGE_FLAGS : []
const args = [...flags, ...process.argv.slice(2)]
const child = spawn(NODE, args, { stdio: 'inherit', env })
// A terminal's Ctrl-C reaches the child as well; this process only has to outlive it, and to pass on what reached it alone.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => child.kill('SIGTERM'))
child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 143)))

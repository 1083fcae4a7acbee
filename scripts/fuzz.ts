import { parseArgs } from 'node:util'
import { parseDurationMs } from '../src/runtime/units.ts'
import { fuzz } from '../test/fuzz/harness/fuzz.ts'
import { TARGET_FILES, targetsOf } from '../test/fuzz/target-files.ts'

/*
  npm run fuzz -- --for 10m [--seed N] [--target TEXT]
  Feeds every target for its share of the time, each from the seed that is printed. Exit code 1 where something was found.
*/

const { values } = parseArgs({ options: { for: { type: 'string' }, seed: { type: 'string' }, target: { type: 'string' } } })
const forMs = parseDurationMs(values.for ?? '10m')
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed)
if (forMs === undefined || forMs === 0 || !Number.isSafeInteger(seed)) {
  process.stderr.write('--for has to be a duration, such as 10m; --seed a whole number\n')
  process.exit(2)
}

const all = (
  await Promise.all(TARGET_FILES.map(async file => (await targetsOf(file)).map(({ name }) => ({ file, name }))))
).flat()
const chosen = all.filter(({ name }) => name.includes(values.target ?? ''))
if (chosen.length === 0) {
  process.stderr.write(
    `no target has "${values.target}" in its name; there are:\n${all.map(({ name }) => `  ${name}`).join('\n')}\n`,
  )
  process.exit(2)
}
const eachMs = forMs / chosen.length
console.log(`seed ${seed}, ${chosen.length} targets, ${Math.round(eachMs / 1_000)} s each`)

for (const { file, name } of chosen) {
  const found = await fuzz({ file, name, seed, runs: Number.MAX_SAFE_INTEGER, limitMs: eachMs })
  console.log(`${found.kind === 'nothing' ? 'ok   ' : 'FOUND'} ${name}: ${found.inputs} inputs`)
  if (found.kind === 'nothing') continue
  console.log(`${found.kind}: ${found.what}\nreplay: npm run fuzz -- --seed ${seed} --target ${JSON.stringify(name)}`)
  process.exitCode = 1
}
process.exit()

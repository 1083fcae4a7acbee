import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { POISON_TOPIC } from '../../src/reader/batch/poison-letters.ts'
import { decodeBatch } from '../../src/record/batch-reader.ts'
import { JobWorld, runNow, runOf } from './job-world.ts'

let world: JobWorld
beforeEach(async () => {
  world = await new JobWorld().open()
})
afterEach(() => world.close())

/** Fails until the file `well` says otherwise, counting its starts. */
const SICKLY = 'cat > in; echo x >> starts; [ "$(wc -l < starts)" -ge "$(cat well)" ]'

describe('retries', () => {
  test('start the command again over the same ranges, until it ends well', async () => {
    await world.lay('a', ['one'])
    writeFileSync(world.path('well'), '3')
    const job = world.job({ run: ['sh', '-c', SICKLY], retry: { attempts: 5, first_wait: '1ms' } })
    expect(await runNow(job)).toMatchObject({ outcome: 'done', run: { attempts: 3, records: 1 } })
    expect(world.ledger.runs('plant.load', 9)).toHaveLength(1)
  })

  test('end, and the failure says how often', async () => {
    await world.lay('a', ['one'])
    writeFileSync(world.path('well'), '9')
    const job = world.job({ run: ['sh', '-c', SICKLY], retry: { attempts: 2, first_wait: '1ms' } })
    expect(await runNow(job)).toMatchObject({ outcome: 'failed', run: { attempts: 2, exitCode: 1 } })
    expect(world.read('starts')).toBe('x\nx\n')
    expect(world.offsets()).toEqual({})
  })
})

test('a command of which it cannot be kept which process it is does not run on by itself', async () => {
  await world.lay('a', ['one'])
  const { log } = runOf(await runNow(world.job({ run: ['false'] })))
  mkdirSync(`${log}.process`)
  const failed = runOf(await runNow(world.job({ run: ['sh', '-c', 'echo $$ > pid; cat > in'] })))
  expect(failed).toMatchObject({ state: 'failed', error: expect.stringContaining('.process') })
  // It may have been ended before it could say its number.
  const pid = existsSync(world.path('pid')) ? world.read('pid').trim() : ''
  if (pid !== '') expect(existsSync(`/proc/${pid}`)).toBe(false)
})

describe('on_failure', () => {
  test('is told of the run when it has failed for good, once', async () => {
    await world.lay('a', ['one'])
    const run = runOf(
      await runNow(
        world.job({
          run: ['sh', '-c', 'cat > in; echo the warehouse is closed >&2; exit 4'],
          retry: { attempts: 2, first_wait: '1ms' },
          on_failure: ['sh', '-c', 'cat >> told; echo "$HEADRACE_RUN_ID $HEADRACE_EXIT_CODE" >> told'],
        }),
      ),
    )
    const [json, line] = world.read('told').trim().split('\n')
    expect(JSON.parse(json ?? '')).toEqual({
      job: 'plant.load',
      run: run.id,
      error: 'sh: it ended with exit code 4; its last words: the warehouse is closed',
      exit_code: 4,
      attempts: 2,
      log: run.log,
    })
    expect(line).toBe(`${run.id} 4`)
  })

  test('is told when a run cannot even begin; that it fails itself changes nothing', async () => {
    await world.lay('a', ['one', 'two'])
    world.ledger.setOffsets('plant.load', new Map([['g/a', 9]]))
    const job = world.job({ on_failure: ['sh', '-c', 'cat > told; exit 1'] })
    await expect(runNow(job)).rejects.toMatchObject({ code: 'offset_out_of_range' })
    expect(JSON.parse(world.read('told'))).toMatchObject({ run: null, error: expect.stringContaining('[2, 9) is not there') })
  })
})

/** Names what is in `bad` as bad where it is in its input, and keeps its input otherwise. */
const CHOOSY = `cat > in
bad=$(grep -nFx -f bad in | head -1 | cut -d: -f1)
[ -z "$bad" ] || { echo "g/a $(cat "seq.$bad") no good" >> "$HEADRACE_POISON_FILE"; exit 65; }`

async function poisonTopic() {
  const [claim] = (await world.log.claims()).filter(({ topic }) => topic === POISON_TOPIC)
  if (!claim) return []
  const { first } = await world.log.end(claim)
  const [fetched] = await world.log.fetch([{ topic: claim.topic, partition: claim.partition, from: first }], {
    maxBytes: 1e6,
    waitMs: 0,
  })
  return (fetched?.batches ?? []).flatMap(batch =>
    decodeBatch(batch).map(({ value, timeMs, headers }) => ({
      value: value?.toString(),
      timeMs,
      ...Object.fromEntries(headers.map(each => [each.key, each.value.toString()])),
    })),
  )
}

describe('a bad record', () => {
  test('fails the run, unless it is to be set aside: nothing is left out in silence', async () => {
    await world.lay('a', ['one', 'two\nlines', 'three'])
    expect(await runNow(world.job())).toMatchObject({
      outcome: 'failed',
      error: expect.stringContaining('g/a: the record with sequence 1'),
    })
    expect(await poisonTopic()).toEqual([])
  })

  test('that cannot be written is set aside with where it lay, its time and bytes, and the run goes on', async () => {
    await world.lay('a', ['one', 'two\nlines', 'three'])
    const run = runOf(await runNow(world.job({ poison: 'dead_letter' })))
    expect(run).toMatchObject({ state: 'done', records: 2, dead: 1 })
    expect(world.read('in')).toBe('one\nthree\n')
    expect(readdirSync(world.path('runs', 'plant.load')).sort()).toEqual([run.id, `${run.id}.log`])
    expect(await poisonTopic()).toMatchObject([
      {
        value: 'two\nlines',
        poison_source: 'g/a',
        poison_topic: 'plant',
        poison_partition: '0',
        poison_sequence: '1',
        poison_job: 'plant.load',
        poison_run: run.id,
        poison_reason: 'holds a line break',
      },
    ])
    const manifest = JSON.parse(readFileSync(`${run.directory}/manifest.json`, 'utf8'))
    expect(manifest.dead).toEqual([{ source: 'g/a', seq: 1, reason: 'holds a line break' }])
  })

  test('that has a time which no calendar has is named, and set aside where CSV is wanted', async () => {
    await world.lay('a', ['one'], 9e15)
    await world.lay('a', ['two'])
    expect(await runNow(world.job({ input: 'csv' }))).toMatchObject({
      outcome: 'failed',
      error: expect.stringContaining('g/a: the record with sequence 0 has a time that no calendar has'),
    })
    expect(await runNow(world.job({ input: 'csv', poison: 'dead_letter' }))).toMatchObject({
      outcome: 'done',
      run: { records: 1, dead: 1 },
    })
  })

  test('that the command names is set aside, one after the other, and no attempt is spent on it', async () => {
    await world.lay('a', ['zero', 'one', 'two', 'three', 'four'])
    writeFileSync(world.path('bad'), 'one\nthree\n')
    // Where a line of the input lies: after "one" is gone, "three" is the third line.
    writeFileSync(world.path('seq.2'), '1')
    writeFileSync(world.path('seq.3'), '3')
    const run = runOf(await runNow(world.job({ run: ['sh', '-c', CHOOSY], poison: 'dead_letter' })))
    expect(run).toMatchObject({ state: 'done', records: 3, dead: 2, attempts: 1 })
    expect(world.read('in')).toBe('zero\ntwo\nfour\n')
    expect((await poisonTopic()).map(({ value }) => value)).toEqual(['one', 'three'])
    expect(world.ledger.allPoison('plant.load', 9)).toMatchObject([
      { source: 'g/a', sequence: 1, reason: 'no good' },
      { source: 'g/a', sequence: 3 },
    ])
    expect(world.offsets()).toEqual({ 'g/a': 5 })
  })

  test('that the command names stops the run where bad records are not set aside; the failure names it', async () => {
    await world.lay('a', ['zero', 'one'])
    writeFileSync(world.path('bad'), 'one\n')
    writeFileSync(world.path('seq.2'), '1')
    expect(await runNow(world.job({ run: ['sh', '-c', CHOOSY] }))).toMatchObject({
      outcome: 'failed',
      error: 'the command says that a record is bad: g/a 1 (no good)',
      run: { exitCode: 65 },
    })
    expect(world.offsets()).toEqual({})
  })

  test.each([
    ['a record that it was not given', 'g/a 99', 'g/a 99 was not part of the run'],
    ['what is none', 'the third one', 'is not <gateway>/<source> <seq> <reason>'],
    ['nothing at all', '', 'it ended with exit code 65'],
  ])('the command names %s: the run fails', async (_what, line, said) => {
    await world.lay('a', ['zero'])
    const script = `cat > in; echo "${line}" > "$HEADRACE_POISON_FILE"; exit 65`
    const failed = await runNow(world.job({ run: ['sh', '-c', script], poison: 'dead_letter' }))
    expect(failed).toMatchObject({ outcome: 'failed', error: expect.stringContaining(said) })
  })

  test('the command names the same one for ever: the run ends', async () => {
    await world.lay('a', ['zero', 'one'])
    const script = 'cat > in; echo "g/a 1" > "$HEADRACE_POISON_FILE"; exit 65'
    expect(await runNow(world.job({ run: ['sh', '-c', script], poison: 'dead_letter' }))).toMatchObject({ outcome: 'failed' })
  })

  test('more of them than a run may set aside stop it', async () => {
    await world.lay(
      'a',
      Array.from({ length: 1_001 }, () => 'two\nlines'),
    )
    expect(await runNow(world.job({ poison: 'dead_letter' }))).toMatchObject({
      outcome: 'failed',
      error: expect.stringContaining('more than 1000 records are bad'),
    })
  })
})

import { existsSync } from 'node:fs'

/* Before the file named by CLOCK_SET_FILE is there, the wall clock is that of a machine that started at the beginning of 1970. */
const realNow = Date.now.bind(Date)
const startedMs = realNow()
Date.now = () => (existsSync(process.env['CLOCK_SET_FILE']) ? realNow() : realNow() - startedMs)

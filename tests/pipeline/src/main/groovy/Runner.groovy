// Runs a project's Jenkinsfile with the real shared library, and the steps for real: scripts run in a workspace that a command of the configuration reaches.
// It knows what Jenkins' steps do, nothing of what a pipeline is for. Not Jenkins: a lost agent is not noticed, and nothing survives the end of this program.
// docs/pipeline-library.md describes the configuration and the result.
import groovy.json.JsonOutput
import groovy.json.JsonSlurperClassic
import java.util.concurrent.TimeUnit
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException.ExceededTimeout
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException.Rejection
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException.UserInterruption
import sun.misc.Signal
import sun.misc.SignalHandler

class Runner {
    static final Map KEYS = [workspace_cmd: List, jenkinsfile: String, env: Map, credentials: Map, approve: Boolean, checkout: String, causes: List,
                             locks: String, result: String, previous_start_ms: Number]
    static final Map VALUES = [string: ['value'], file: ['content'], usernamePassword: ['username', 'password']]

    /** What surrounds a step: variables, the time it must end at, the branch of `parallel` it is in. */
    static class Place {
        Map variables
        Long deadline
        String branch
    }

    final Map config
    final Library library = new Library()
    final Map variables = Collections.synchronizedMap([:])
    final ThreadLocal<Place> place = new ThreadLocal<Place>() { protected Place initialValue() { new Place(variables: [:]) } }
    final List stages = Collections.synchronizedList([])
    final List artifacts = [], tests = [], pages = []
    final Set<Process> running = Collections.synchronizedSet([] as Set)
    final ThreadLocal<Integer> heard = new ThreadLocal<Integer>() { protected Integer initialValue() { 0 } }
    final Map<String, String> stashes = [:]
    final Set<String> folders = Collections.synchronizedSet([] as Set)
    List<String> secrets = []
    Expando currentBuild
    boolean unstable = false
    volatile int aborts = 0

    static void main(String[] arguments) {
        File file = new File(arguments ? arguments[0] : '')
        Map config
        try {
            config = check(file)
        } catch (IllegalArgumentException wrong) {
            System.err.println("run: ${wrong.message}")
            System.exit(2)
        }
        String result = new Runner(config).run(new File(config.result ?: new File(file.absoluteFile.parentFile, 'RESULT.json').path))
        System.exit(result == 'SUCCESS' ? 0 : 1)
    }

    /** The configuration, or an error that names field, value and what would be right. */
    static Map check(File file) {
        def config
        try {
            config = new JsonSlurperClassic().parse(file)
        } catch (IOException | groovy.json.JsonException wrong) {
            throw new IllegalArgumentException("CONFIG.json '${file}': must be a file with a JSON object: ${wrong.message}")
        }
        require(config instanceof Map, "CONFIG.json '${file}': must hold an object")
        config.each { key, value ->
            require(key in KEYS, "${key}: unknown; known: ${KEYS.keySet().join(', ')}")
            require(value == null || KEYS[key].isInstance(value), "${key}: must be of type ${KEYS[key].simpleName.toLowerCase()}")
        }
        for (key in ['workspace_cmd', 'jenkinsfile']) require(config[key], "${key}: is required")
        require(new File(config.jenkinsfile).isFile(), "jenkinsfile: must be a file, not '${config.jenkinsfile}'")
        config.env?.each { name, value -> require(name ==~ /[A-Za-z_]\w*/ && value instanceof String, "env.${name}: must be a variable's name with a string") }
        config.credentials?.each { id, given ->
            require(id ==~ /[\w.-]+/, "credentials.${id}: an id has letters, digits, '.', '_' and '-'")
            require(given instanceof Map && given.type in VALUES, "credentials.${id}.type: must be one of ${VALUES.keySet().join(', ')}")
            for (field in VALUES[given.type]) require(given[field] instanceof String, "credentials.${id}.${field}: must be a string")
        }
        return config
    }

    static void require(condition, String otherwise) { if (!condition) throw new IllegalArgumentException(otherwise) }

    Runner(Map config) {
        this.config = config
        variables.putAll(config.env ?: [:])
        config.credentials?.values()?.each { given ->
            for (field in VALUES[given.type] - 'username') {
                // A file is seen line by line; a shell that traces its commands quotes what it shows.
                List lines = given.type == 'file' ? given[field].readLines()*.trim().findAll { it.size() > 7 } : given[field].readLines().findAll()
                lines.each { secrets << it; secrets << it.replace("'", "'\\''") }
            }
        }
        secrets = secrets.unique().sort { -it.size() }
    }

    String run(File resultFile) {
        Signal.handle(new Signal('TERM'), { stop() } as SignalHandler)
        Signal.handle(new Signal('INT'), { stop() } as SignalHandler)
        File jenkinsfile = new File(config.jenkinsfile).absoluteFile
        String result = 'FAILURE'
        try {
            library.open(jenkinsfile.parentFile)
            registerSteps()
            library.runScript(jenkinsfile.name)
            result = currentBuild.result ?: (unstable ? 'UNSTABLE' : 'SUCCESS')
        } catch (FlowInterruptedException e) {
            result = e.result
            log("ERROR: ${e.message}")
        } catch (Throwable e) {
            log("ERROR: ${e.message ?: e}")
        } finally {
            folders.toList().each { forget(it) }
        }
        log("Finished: ${result}")
        resultFile.text = JsonOutput.prettyPrint(JsonOutput.toJson([result: result, stages: stages, artifacts: artifacts, junit: tests, html: pages])) + '\n'
        return result
    }

    /** Somebody stops the build: as in Jenkins the running steps end, and what reports the end still runs. */
    void stop() {
        aborts++
        synchronized (running) { running.each { end(it) } }
    }

    static void end(Process process) {
        process.descendants().forEach { it.destroy() }
        process.destroy()
    }

    // --- the steps ------------------------------------------------------------------------------------------------------------------------------

    void registerSteps() {
        library.binding.setVariable('env', new Variables(this))
        library.binding.setVariable('scm', 'scm')
        currentBuild = new Expando(getBuildCauses: { String kind -> (config.causes ?: []).findAll { it == kind } }, result: null,
            startTimeInMillis: System.currentTimeMillis(),
            previousBuiltBuild: config.previous_start_ms == null ? null : new Expando(startTimeInMillis: config.previous_start_ms as long))
        library.binding.setVariable('currentBuild', currentBuild)
        library.with {
            allow('sh', [String]) { String script -> sh([script: script]) }
            allow('sh', [Map]) { Map given -> sh(given) }
            allow('echo', [String]) { String text -> log(text) }
            allow('unstable', [String]) { String text -> unstable = true; log("UNSTABLE: ${text}") }
            allow('checkout', [Object]) { checkout() }
            allow('readFile', [String]) { String path -> onAgent("cat -- ${quoted(path)}", true) }
            allow('stash', [Map]) { Map given -> stash(given.name, given.includes.split(',') as List) }
            allow('unstash', [String]) { String name -> onAgent("tar -xf ${quoted(stashes[name])}/stash.tar") }
            allow('junit', [Map]) { Map given -> tests << given.testResults }
            allow('archiveArtifacts', [Map]) { Map given -> artifacts.addAll(given.artifacts.split(',')) }
            allow('publishHTML', [Map]) { Map given -> pages << "${given.reportDir}/${given.reportFiles}".toString() }
            allow('input', [Map]) { Map given -> input(given.message) }
            allow('stage', [String, Closure]) { String name, Closure body -> stage(name, body) }
            allow('node', [String, Closure]) { String label, Closure body -> log("[node] ${label}"); body() }
            allow('lock', [Map, Closure]) { Map given, Closure body -> lock(given.resource, body) }
            allow('timeout', [Map, Closure]) { Map given, Closure body -> timeout(given, body) }
            allow('retry', [Map, Closure]) { Map given, Closure body -> body() }
            allow('withEnv', [List, Closure]) { List given, Closure body -> inside(given.collectEntries { it.toString().split('=', 2) as List }, body) }
            allow('withCredentials', [List, Closure]) { List given, Closure body -> withCredentials(given, body) }
            allow('catchError', [Map, Closure]) { Map given, Closure body -> catchError(body) }
            allow('catchError', [Closure]) { Closure body -> catchError(body) }
            allow('milestone', []) { null }
            allow('parallel', [Map]) { Map branches -> parallel(branches) }
        }
    }

    def sh(Map given) {
        if (given.returnStatus) {
            return execute(given.script.toString(), [traced: true]).status
        }
        return onAgent(given.script.toString(), given.returnStdout ?: false, true)
    }

    Map checkout() {
        if (config.checkout) {
            onAgent(config.checkout)
        }
        String commit = onAgent('git rev-parse --verify --quiet HEAD || true', true).trim()
        return commit ? [GIT_COMMIT: commit] : [:]
    }

    void stash(String name, List patterns) {
        stashes[name] = folder('')
        onAgent("set -- ${patterns.join(' ')}; for file do shift; if [ -e \"\$file\" ]; then set -- \"\$@\" \"\$file\"; fi; done; " +
                "tar -cf ${quoted(stashes[name])}/stash.tar \"\$@\"")
    }

    def stage(String name, Closure body) {
        Map stage = [name: name, result: 'SUCCESS', seconds: 0]
        stages << stage
        log("[stage] ${name} start")
        long started = System.nanoTime()
        try {
            return body()
        } catch (FlowInterruptedException e) {
            stage.result = 'ABORTED'
            throw e
        } catch (Exception e) {
            stage.result = 'FAILURE'
            throw e
        } finally {
            stage.seconds = ((System.nanoTime() - started) / 1e9).setScale(2, java.math.RoundingMode.HALF_UP)
            log("[stage] ${name} ${stage.result.toLowerCase()} ${stage.seconds}")
        }
    }

    /** Every branch runs to its end; then the first failure is thrown, as in Jenkins. */
    void parallel(Map branches) {
        Place here = place.get()
        int before = heard.get()
        List failures = Collections.synchronizedList([])
        List hearing = Collections.synchronizedList([before])
        List threads = branches.findAll { it.key != 'failFast' }.collect { name, body ->
            Thread.start {
                place.set(new Place(variables: here.variables, deadline: here.deadline, branch: name))
                heard.set(before)
                try {
                    body()
                } catch (Throwable e) {
                    failures << e
                }
                hearing << heard.get()
            }
        }
        threads*.join()
        heard.set(hearing.max())
        if (failures) throw failures[0]
    }

    void input(String message) {
        log("[input] ${message} ${config.approve == null ? 'nobody answers' : config.approve ? 'approved' : 'refused'}")
        if (config.approve != true) {
            throw new FlowInterruptedException(config.approve == false ? new Rejection() : new ExceededTimeout())
        }
    }

    def timeout(Map given, Closure body) {
        long end = System.nanoTime() + TimeUnit.valueOf(given.unit ?: 'MINUTES').toNanos(given.time as long)
        Place here = place.get()
        Place inner = new Place(variables: here.variables, branch: here.branch, deadline: here.deadline == null ? end : Math.min(end, here.deadline))
        return at(inner, body)
    }

    /** One build at a time where the configuration names a folder that all builds share. */
    def lock(String resource, Closure body) {
        if (!config.locks) {
            return body()
        }
        new RandomAccessFile(new File(config.locks, resource), 'rw').withCloseable { file ->
            log("[lock] ${resource}")
            file.channel.lock()
            body()
        }
    }

    def catchError(Closure body) {
        try {
            body()
        } catch (FlowInterruptedException e) {
            throw e
        } catch (Exception e) {
            log("ERROR: ${e.message}")
            unstable = true
        }
    }

    def withCredentials(List bindings, Closure body) {
        Map bound = [:]
        List made = []
        try {
            bindings.each { binding ->
                Map given = config.credentials?.get(binding.credentialsId)
                if (given?.type != binding.type) {
                    throw new IllegalStateException("no credential '${binding.credentialsId}' of type ${binding.type} here; there are: " +
                        ((config.credentials ?: [:]).collect { "${it.key} (${it.value.type})" }.sort().join(', ') ?: 'none'))
                }
                if (given.type == 'string') {
                    bound[binding.variable] = given.value
                } else if (given.type == 'usernamePassword') {
                    bound[binding.usernameVariable] = given.username
                    bound[binding.passwordVariable] = given.password
                } else {
                    made << folder(binding.credentialsId, given.content)
                    bound[binding.variable] = "${made.last()}/${binding.credentialsId}".toString()
                }
            }
            return inside(bound, body)
        } finally {
            made.each { forget(it) }
        }
    }

    // --- the agent ------------------------------------------------------------------------------------------------------------------------------

    /** A folder of its own for what must not stay; printf is the shell's own: what it prints is in no process's arguments. */
    String folder(String name, String content = '') {
        String made = onAgent('umask 077; folder=$(mktemp -d "${TMPDIR:-/tmp}/mlops-build.XXXXXX"); ' +
            (name ? "printf %s '${content.bytes.encodeBase64()}' | base64 -d >\"\$folder/${name}\"; " : '') + 'printf %s "$folder"', true)
        folders << made
        return made
    }

    void forget(String folder) {
        at(new Place(variables: [:])) { execute("rm -rf -- ${quoted(folder)}", [stoppable: false]) }
        folders.remove(folder)
    }

    def onAgent(String script, boolean capture = false, boolean traced = false) {
        Map done = execute(script, [capture: capture, traced: traced])
        if (done.status) {
            throw new IllegalStateException("script returned exit code ${done.status}")
        }
        return capture ? done.output : null
    }

    /** Script and variables go in as text, where no list of processes shows them. */
    Map execute(String script, Map how) {
        Place here = place.get()
        if (how.stoppable != false) stopped()
        String text = (variables + here.variables).collect { "export ${it.key}=${quoted(it.value.toString())}\n" }.join('') +
            "(\nset -e${how.traced ? 'x' : ''}\n${script}\n) </dev/null\n"
        Process process = new ProcessBuilder(config.workspace_cmd as String[]).redirectErrorStream(!how.capture).start()
        running << process
        try {
            StringBuilder output = new StringBuilder()
            Thread shown = Thread.start { (how.capture ? process.errorStream : process.inputStream).eachLine { log(it, here.branch) } }
            Thread captured = how.capture ? Thread.start { output << process.inputStream.text } : null
            try {
                process.outputStream.withWriter('UTF-8') { it << text }
            } catch (IOException closed) {
                // It ended without reading all: its exit code says more than this would.
            }
            if (here.deadline == null) {
                process.waitFor()
            } else if (!process.waitFor(here.deadline - System.nanoTime(), TimeUnit.NANOSECONDS)) {
                end(process)
                throw new FlowInterruptedException(new ExceededTimeout())
            }
            shown.join()
            captured?.join()
            if (how.stoppable != false) stopped()
            return [status: process.exitValue(), output: output.toString()]
        } finally {
            running.remove(process)
        }
    }

    /** Each branch hears once that the build was stopped. */
    void stopped() {
        if (aborts > heard.get()) {
            heard.set(aborts)
            throw new FlowInterruptedException(new UserInterruption())
        }
    }

    def inside(Map more, Closure body) {
        Place here = place.get()
        return at(new Place(variables: here.variables + more, deadline: here.deadline, branch: here.branch), body)
    }

    def at(Place inner, Closure body) {
        Place here = place.get()
        place.set(inner)
        try {
            return body()
        } finally {
            place.set(here)
        }
    }

    static String quoted(String text) { "'" + text.replace("'", "'\\''") + "'" }

    synchronized void log(String text, String branch = place.get().branch) {
        secrets.each { text = text.replace(it, '****') }
        println((branch ? "[${branch}] " : '') + text)
        System.out.flush()
    }

    /** Jenkins' `env`: what is read is what surrounds the step, what is set is there for the whole build. */
    static class Variables extends GroovyObjectSupport {
        private final Runner runner

        Variables(Runner runner) { this.runner = runner }

        Object getProperty(String name) { (runner.variables + runner.place.get().variables)[name] }

        void setProperty(String name, Object value) { if (value == null) runner.variables.remove(name) else runner.variables[name] = value.toString() }
    }
}

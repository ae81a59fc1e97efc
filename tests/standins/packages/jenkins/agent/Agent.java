import java.io.ByteArrayInputStream;
import java.io.FileInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** A stand-in for agent.jar: takes its options, logs in as the node with its secret every second, and runs no build. Not the product. */
public final class Agent {
    private static final List<String> VALUED = List.of("-url", "-secret", "-name", "-workDir", "-cert", "-jar-cache", "-internalDir");

    public static void main(String[] arguments) throws Exception {
        Map<String, String> given = new HashMap<>();
        for (int i = 0; i < arguments.length; i++) {
            if (VALUED.contains(arguments[i])) {
                given.put(arguments[i], arguments[++i]);
            } else if (arguments[i].equals("-webSocket")) {
                given.put(arguments[i], "");
            } else {
                throw new IllegalArgumentException("\"" + arguments[i] + "\" is not a valid option");
            }
        }
        String secret = value(given.get("-secret")).strip();
        Files.createDirectories(Path.of(given.get("-workDir"), "remoting"));
        HttpClient.Builder client = HttpClient.newBuilder();
        if (given.containsKey("-cert")) {
            KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
            trusted.load(null, null);
            byte[] pem = value(given.get("-cert")).getBytes();
            trusted.setCertificateEntry("given", CertificateFactory.getInstance("X.509").generateCertificate(new ByteArrayInputStream(pem)));
            TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            factory.init(trusted);
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(null, factory.getTrustManagers(), null);
            client.sslContext(context);
        }
        HttpRequest login = HttpRequest.newBuilder(URI.create(given.get("-url").replaceAll("/$", "") + "/wsagents/"))
            .header("Node-Name", given.get("-name")).header("Secret-Key", secret).header("Origin", given.get("-url")).GET().build();
        HttpClient connection = client.build();
        int last = 0;
        while (true) {
            int status = connection.send(login, BodyHandlers.discarding()).statusCode();
            if (status != last) {
                System.err.println(status == 101 || status == 204 ? "INFO: Connected (stand-in of agent.jar)" : "SEVERE: refused with " + status);
            }
            last = status;
            Thread.sleep(1000);
        }
    }

    /** A value, or with @ the content of a file. */
    private static String value(String given) throws Exception {
        if (!given.startsWith("@")) {
            return given;
        }
        try (FileInputStream file = new FileInputStream(given.substring(1))) {
            return new String(file.readAllBytes());
        }
    }

    private Agent() {
    }
}

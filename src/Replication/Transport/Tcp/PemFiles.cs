using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Tidemark.Replication.Transport.Tcp;

/// <summary>Certificates in PEM files.</summary>
internal static class PemFiles
{
    internal static X509Certificate2 ReadCertificate(string certificateFile, string keyFile)
    {
        X509Certificate2 read = X509Certificate2.CreateFromPemFile(certificateFile, keyFile);
        if (!OperatingSystem.IsWindows()) return read;

        // There TLS cannot use a key that came from PEM before it went through a key container.
        using (read) return X509CertificateLoader.LoadPkcs12(read.Export(X509ContentType.Pkcs12), password: null);
    }

    internal static X509Certificate2Collection ReadAuthorities(string file)
    {
        var authorities = new X509Certificate2Collection();
        authorities.ImportFromPemFile(file);
        return authorities.Count > 0 ? authorities : throw new CryptographicException($"'{file}' holds no certificate in PEM.");
    }
}

/// <summary>What was read from files, and is read again once they were written.</summary>
/// <remarks>Safe for concurrent calls. What was good stays in force while what is in the files cannot be read: files are written one after the other.</remarks>
internal sealed class WatchedFiles<T>
    where T : class
{
    private readonly Lock _gate = new();
    private readonly string[] _files;
    private readonly Func<T> _read;
    private DateTime[] _writtenAt;
    private T _value;

    internal WatchedFiles(string[] files, Func<T> read)
    {
        (_files, _read) = (files, read);
        _writtenAt = WriteTimes();
        _value = read();
    }

    internal T Get()
    {
        lock (_gate)
        {
            DateTime[] writtenAt = WriteTimes();   // Before they are read: what is written meanwhile is read next time.
            if (writtenAt.AsSpan().SequenceEqual(_writtenAt)) return _value;
            try
            {
                _value = _read();
                _writtenAt = writtenAt;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
            {
                // Half of a pair, most likely. The next connection looks again.
            }

            return _value;
        }
    }

    private DateTime[] WriteTimes() => [.. _files.Select(File.GetLastWriteTimeUtc)];
}
